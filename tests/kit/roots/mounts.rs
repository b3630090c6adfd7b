//! A process with mounts of its own, so that a test that is killed leaves none behind.

use std::process::Command;
use std::{env, fs};

/// Names, in the process that has its own mounts, the file that says that the test ran there.
pub(super) const MARK: &str = "VGPU_OWN_MOUNTS";

/// Run `body` in a process with a mount namespace of its own: this test, `name`, once more.
///
/// Mounts are those of a process, and a test cannot safely leave its process's namespace.
///
/// # Panics
/// If the test fails over there, or if there is no test of that name.
pub fn with_own_mounts(name: &str, body: impl FnOnce()) {
    if let Some(mark) = env::var_os(MARK) {
        fs::write(mark, name).expect("a mark");
        return body();
    }
    let mark = tempfile::NamedTempFile::new().expect("a temporary file");
    let executable = env::current_exe().expect("the test's own executable");
    let status = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "--"])
        .arg(executable)
        .args([name, "--exact", "--nocapture"])
        .env(MARK, mark.path())
        .status()
        .expect("unshare");
    assert!(status.success(), "{name} failed in a process with its own mounts: {status}");
    let ran = fs::read_to_string(mark.path()).expect("a mark");
    assert_eq!(ran, name, "there is no test of this name");
}
