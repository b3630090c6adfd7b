//! A unified diff, applied to a file, and compared with GNU patch.
//!
//! The input is the file, a NUL byte and the diff. What this project applies, GNU patch applies too,
//! and with the same result.

#![no_main]

use std::fs;
use std::io::Read;
use std::process::Command;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use vgpu_fuzz::scratch_folder;
use vgpu_manifest::patch::{Change, Patch};

static FOLDER: LazyLock<String> = LazyLock::new(|| scratch_folder("patch"));

fuzz_target!(|bytes: &[u8]| {
    let Some(at) = bytes.iter().position(|byte| *byte == 0) else { return };
    let (old, text) = (&bytes[..at], &bytes[at + 1..]);
    let Ok(patch) = Patch::parse(text) else { return };
    let [file] = patch.files() else { return };
    let (mut new, mut reader) = (Vec::new(), old);
    let exists = file.change() != Change::Created;
    let reader: Option<&mut dyn Read> = exists.then_some(&mut reader as _);
    if file.apply(reader, &mut new).is_err() {
        return;
    }
    let [path, diff] = ["file", "diff"].map(|name| format!("{}/{name}", *FOLDER));
    let _ = fs::remove_file(&path);
    if exists {
        fs::write(&path, old).unwrap();
    }
    fs::write(&diff, text).unwrap();
    let mut patch = Command::new("patch");
    patch.args(["--batch", "--fuzz=0", "--no-backup-if-mismatch", "--directory", &FOLDER]);
    let output = patch.args(["--input", &diff, "file"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let theirs = fs::read(&path).unwrap_or_default();
    let ours = if file.change() == Change::Deleted { Vec::new() } else { new };
    assert!(theirs == ours, "{theirs:?} by GNU patch, {ours:?} here");
});
