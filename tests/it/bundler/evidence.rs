//! Evidence about a bundle: reproducibility, and its bill of materials.

use std::fs;

use crate::bundler::sandbox::{Sandbox, bytes};

#[test]
fn a_build_can_check_itself() {
    let sandbox = Sandbox::with_recipe();
    let built = sandbox.ok(&["build", "--check", "--json"]);
    let made: serde_json::Value = serde_json::from_str(&built.out).unwrap();
    assert_eq!(made["bundle"], "./node-1.vgpu.tar");
    assert_eq!(made["rebuilt"], "identical");
    assert!(built.err.contains("built twice: both bundles are identical"), "{}", built.err);
    sandbox.ok(&["build", "--check", "--split=4MiB", "-o", "parts"]);
    let names: Vec<_> = fs::read_dir(sandbox.work("parts")).unwrap().collect();
    assert_eq!(names.len(), 3, "nothing of the second build stays: {names:?}");

    // Recorded facts about cached content are not trusted.
    let tool = &sandbox.locked()[1];
    let path = sandbox.cached(tool);
    let times = fs::metadata(&path).unwrap().modified().unwrap();
    let mut content = bytes(&path);
    content[5] ^= 1;
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    fs::write(&path, content).unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_modified(times).unwrap();
    let error = sandbox.fails(3, &["build", "--check"]);
    assert!(error.contains("bin/tool"), "{error}");
}

#[test]
fn a_bill_of_materials_names_every_item_and_every_crate() {
    let sandbox = Sandbox::with_recipe();
    sandbox.write(
        "tree/Cargo.lock",
        "version = 4\n[[package]]\nname = \"libc\"\nversion = \"0.2.1\"\n",
    );
    sandbox.ok(&["build"]);
    for form in ["spdx", "cyclonedx"] {
        let text = sandbox.ok(&["inspect", "--sbom", form, "node-1.vgpu.tar"]).out;
        assert_eq!(text, sandbox.ok(&["inspect", "--sbom", form, "node-1.vgpu.tar"]).out);
        let _: serde_json::Value = serde_json::from_str(&text).unwrap();
        for says in ["etc/a.conf", "bin/tool", "src.tar.zst", "pkg:cargo/libc@0.2.1"] {
            assert!(text.contains(says), "{form}: {says}: {text}");
        }
        for digest in sandbox.locked() {
            assert!(text.contains(&digest), "{form}: {digest}");
        }
    }
    // A damaged tree gets no bill of materials.
    let mut bundle = bytes(sandbox.work("node-1.vgpu.tar"));
    let at = bundle.windows(4).rposition(|it| it == [0x28, 0xb5, 0x2f, 0xfd]).unwrap();
    bundle[at + 9] ^= 1;
    fs::write(sandbox.work("node-1.vgpu.tar"), bundle).unwrap();
    let error = sandbox.fails(3, &["inspect", "--sbom", "spdx", "node-1.vgpu.tar"]);
    assert!(error.contains("src.tar.zst"), "{error}");
}
