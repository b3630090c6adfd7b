use std::fs;

use crate::bundler::sandbox::Sandbox;

#[test]
fn damage_in_the_cache_ends_in_no_bundle() {
    let sandbox = Sandbox::with_recipe();
    sandbox.ok(&["lock"]);
    let tool = sandbox.cached(&sandbox.locked()[1]);
    let mut bytes = fs::read(&tool).unwrap();
    bytes[5_000_000] ^= 1;
    fs::write(&tool, &bytes).unwrap();
    let error = sandbox.fails(3, &["build"]);
    assert!(error.contains("is damaged") && error.contains("cache verify"), "{error}");
    assert!(!sandbox.work("node-1.vgpu.tar").exists());

    let error = sandbox.fails(3, &["cache", "verify"]);
    assert!(error.contains("was damaged and was removed"), "{error}");
    assert!(!tool.exists());
    // The file still matches the lock, so it can be read again.
    sandbox.ok(&["build"]);
    sandbox.ok(&["cache", "verify"]);
}

#[test]
fn late_damage_is_noticed_while_packing() {
    let sandbox = Sandbox::with_recipe();
    sandbox.ok(&["lock"]);
    let digest = &sandbox.locked()[1];
    let tool = sandbox.cached(digest);
    // Bit rot: the bytes differ, but size and time do not show a change. The test edits the cache
    // record to match.
    let mut bytes = fs::read(&tool).unwrap();
    bytes[5_000_000] ^= 1;
    fs::write(&tool, &bytes).unwrap();
    let note = sandbox.path("home/.cache/vgpu-offline/notes").join(&digest[..2]).join(digest);
    let text = fs::read_to_string(&note).unwrap();
    let (_, chunks) = text.split_once('\n').unwrap();
    let (chunks, _) = chunks.trim_end().rsplit_once('\n').unwrap();
    let head = {
        use std::os::unix::fs::MetadataExt as _;
        let meta = fs::metadata(&tool).unwrap();
        format!(
            "{digest} {} {} {}.{:09} {}.{:09}",
            meta.len(),
            meta.ino(),
            meta.mtime(),
            meta.mtime_nsec(),
            meta.ctime(),
            meta.ctime_nsec()
        )
    };
    let body = format!("{head}\n{chunks}\n");
    fs::write(&note, format!("{body}{}\n", vgpu_manifest::Digest::of(body.as_bytes()))).unwrap();

    let error = sandbox.fails(3, &["build"]);
    assert!(error.contains("item `bin/tool`: digest mismatch at byte 4194304"), "{error}");
    assert!(!sandbox.work("node-1.vgpu.tar").exists());
    let left: Vec<_> =
        fs::read_dir(sandbox.path("work")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().contains("partial")), "{left:?}");
}

#[test]
fn the_cache_is_shown_and_cleaned() {
    let sandbox = Sandbox::with_recipe();
    sandbox.ok(&["lock"]);
    let listed = sandbox.ok(&["cache", "list"]).out;
    assert_eq!(listed.lines().count(), 4);
    let json = sandbox.ok(&["cache", "list", "--json"]).out;
    assert_eq!(serde_json::from_str::<Vec<serde_json::Value>>(&json).unwrap().len(), 4);
    let path = sandbox.ok(&["cache", "path"]).out;
    assert!(path.trim_end().ends_with("home/.cache/vgpu-offline"), "{path}");
    assert_eq!(sandbox.ok(&["--cache", "here", "cache", "path"]).out, "here\n");

    assert!(sandbox.ok(&["cache", "gc"]).err.contains("removed 0 contents"));
    let kept = sandbox.ok(&["cache", "gc", "--unused-for", "0", "--keep", "bundle.lock"]);
    assert!(kept.err.contains("removed 0 contents"), "{}", kept.err);
    sandbox.ok(&["cache", "gc", "--unused-for", "0"]);
    assert_eq!(sandbox.ok(&["cache", "list"]).out, "");
    sandbox.fails(1, &["cache", "gc", "--keep", "no.lock"]);
}
