use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// The result of `patch`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Every hunk applied at its stated position.
    Applied,
    /// A hunk applied with an offset.
    Moved,
    /// A hunk was rejected.
    Failed,
}

/// Checks whether GNU patch is available in a version before 2.8; otherwise the test is skipped.
pub(crate) fn have_gnu_patch() -> bool {
    let version = Command::new("patch").arg("--version").output();
    let text = version.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let is_right = text.is_ok_and(|text| text.starts_with("GNU patch 2.7"));
    if !is_right {
        assert!(std::env::var_os("VGPU_NO_SKIP").is_none(), "needs GNU patch 2.7");
        eprintln!("skipped: needs GNU patch 2.7, since 2.8 refuses NUL bytes");
    }
    is_right
}

/// Applies `text` with GNU patch in the folder `root`, without fuzz.
pub(crate) fn gnu_patch(text: &[u8], root: &Path) -> Outcome {
    gnu_patch_with(&["-F0"], text, root)
}

/// Applies `text` with GNU patch in the folder `root`, with the fuzz of `patch -p0`.
pub(crate) fn gnu_patch_with_fuzz(text: &[u8], root: &Path) -> Outcome {
    gnu_patch_with(&[], text, root)
}

fn gnu_patch_with(fuzz: &[&str], text: &[u8], root: &Path) -> Outcome {
    let arguments = ["-p0", "-f", "-u", "--no-backup-if-mismatch", "-r", "-", "-d"];
    let mut child = Command::new("patch")
        .args(fuzz)
        .args(arguments)
        .arg(root)
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // GNU patch may stop reading early.
    let _ = child.stdin.take().unwrap().write_all(text);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    match output.status.success() {
        false => Outcome::Failed,
        true if said.contains("(offset ") => Outcome::Moved,
        true => Outcome::Applied,
    }
}

/// Returns the patch with a header line of git before each file, as some published patches have it.
pub(crate) fn with_git_headers(text: &[u8]) -> Vec<u8> {
    let lines = text.split_inclusive(|b| *b == b'\n');
    let changed = lines.map(|line| match line.strip_prefix(b"diff -a -N -r ") {
        Some(_) => &b"diff --git ./a ./b\nindex 0123abc..4567def 100644\n"[..],
        None => line,
    });
    changed.collect::<Vec<_>>().concat()
}

/// Returns the output of `diff` for the folders `old` and `new`, with names for `patch -p0` in
/// `old`.
pub(crate) fn diff(dir: &Path, context: u64) -> Vec<u8> {
    let output = Command::new("diff")
        .args(["-a", "-N", "-r", &format!("-U{context}"), "old", "new"])
        .current_dir(dir)
        .env("LC_ALL", "C")
        .output()
        .unwrap();
    assert!(output.status.code().is_some_and(|code| code < 2), "{output:?}");
    let mut text = Vec::new();
    for line in output.stdout.split_inclusive(|b| *b == b'\n') {
        let (head, rest) = match line {
            [b'-', b'-', b'-', b' ', b'o', b'l', b'd', b'/', rest @ ..] => (&b"--- ./"[..], rest),
            [b'+', b'+', b'+', b' ', b'n', b'e', b'w', b'/', rest @ ..] => (&b"+++ "[..], rest),
            line => (&b""[..], line),
        };
        text.extend_from_slice(head);
        text.extend_from_slice(rest);
    }
    text
}
