//! The skip rule for tests that need a missing tool.

use std::process::{Command, Stdio};

/// Checks whether `tool` is on the `PATH`.
///
/// If it is not, prints a message, and fails if `VGPU_NO_SKIP` is set, as in `.ci/run`.
#[must_use]
pub fn have(tool: &str) -> bool {
    let found = Command::new(tool)
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok();
    found || skip(tool)
}

/// Prints that a test is skipped because it needs `what`.
///
/// # Panics
///
/// If `VGPU_NO_SKIP` is set.
#[must_use]
pub fn skip(what: &str) -> bool {
    assert!(std::env::var_os("VGPU_NO_SKIP").is_none(), "needs {what}");
    eprintln!("skipped: needs {what}");
    false
}

/// Returns `None` because the test needs `what`; reports it as [`skip`] does.
#[must_use]
pub fn without<T>(what: &str) -> Option<T> {
    let _ = skip(what);
    None
}

/// Returns `None` because `what` is no longer available anywhere: reported, but never a failure,
/// because it cannot be installed.
#[must_use]
pub fn gone<T>(what: &str) -> Option<T> {
    eprintln!("skipped: needs {what}");
    None
}
