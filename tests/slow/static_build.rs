//! The program for the node is one static file of at most 7 MiB.

use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};

const MAX: u64 = 7 << 20;

/// Builds the program, and returns its path.
pub(crate) fn program() -> Utf8PathBuf {
    let root = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let status = Command::new(cargo).arg("static-installer").current_dir(root).status().unwrap();
    assert!(status.success());
    let target = std::env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| format!("{root}/target"));
    format!("{target}/x86_64-unknown-linux-gnu/release/vgpu-installer").into()
}

#[test]
fn the_installer_is_static_and_small() {
    let program = program();
    let size = std::fs::metadata(&program).unwrap().len();
    eprintln!("vgpu-installer has {size} bytes");
    assert!(size <= MAX, "{size} bytes are more than {MAX}");

    let output = Command::new("ldd").arg(&program).output().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(said.contains("statically linked") || said.contains("not a dynamic"), "{said}");

    // It runs in an empty root: no loader, no library, no file.
    let empty = tempfile::tempdir().unwrap();
    let alone = empty.path().join("vgpu-installer");
    std::fs::copy(&program, alone).unwrap();
    let output = Command::new("chroot")
        .arg(empty.path())
        .args(["/vgpu-installer", "--version"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
