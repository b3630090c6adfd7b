//! Tests that need a tool which is not there.

use std::process::{Command, Stdio};

/// Whether the test can go on: `tool` is on the `PATH`.
///
/// If it is not, this says so, and fails where `VGPU_NO_SKIP` is set, as in `.ci/run`.
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

/// Say that a test is skipped because it needs `what`; fail where that is not allowed.
///
/// # Panics
/// If `VGPU_NO_SKIP` is set.
#[must_use]
pub fn skip(what: &str) -> bool {
    assert!(std::env::var_os("VGPU_NO_SKIP").is_none(), "needs {what}");
    eprintln!("skipped: needs {what}");
    false
}

/// Nothing, because the test needs `what`; said as in [`skip`].
#[must_use]
pub fn without<T>(what: &str) -> Option<T> {
    let _ = skip(what);
    None
}

/// Nothing, because the world no longer has `what`: said, and nowhere a failure, because nobody can
/// install it.
#[must_use]
pub fn gone<T>(what: &str) -> Option<T> {
    eprintln!("skipped: needs {what}");
    None
}
