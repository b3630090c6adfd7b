//! A process with its own mount namespace, so that a killed test leaves no mounts behind.

use std::process::Command;
use std::{env, fs};

/// The environment variable with the path of the file that confirms that the test ran in the
/// process with its own mounts.
pub(super) const MARK: &str = "VGPU_OWN_MOUNTS";

/// Runs `body` in a process with its own mount namespace: this test, `name`, once more.
///
/// A mount namespace belongs to a process, and a test cannot safely change that of its own process.
///
/// # Panics
///
/// If the test fails in that process, or if no test has that name.
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
