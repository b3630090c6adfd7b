//! The patch implementation against the real `diff` and `patch`: equal results for equal input.

mod random;
mod tools;

use std::fs;
use std::io::Read;
use std::path::Path;

use vgpu_manifest::Digest;
use vgpu_manifest::patch::{Change, Patch};

use crate::manifest::gnu_patch::random::Random;
use crate::manifest::gnu_patch::tools::{
    Outcome, diff, gnu_patch, gnu_patch_with_fuzz, with_git_headers,
};

/// The number of file pairs in one patch, and the number of such patches.
const FILES: u64 = 50;
const ROUNDS: u64 = 60;

/// Returns the new bytes of the file `name` below `root` after applying the patch; `None` if it was
/// deleted.
fn ours(patch: &Patch, name: &str, root: &Path) -> Result<Option<Vec<u8>>, String> {
    let old = fs::read(root.join(name)).ok();
    let Some(file) = patch.file(&name.parse().unwrap()) else { return Ok(old) };
    let (mut new, mut reader) = (Vec::new(), old.as_deref().unwrap_or_default());
    let reader: Option<&mut dyn Read> = old.is_some().then_some(&mut reader as _);
    let applied = file.apply(reader, &mut new).map_err(|error| error.to_string())?;
    assert_eq!(applied.before, old.as_deref().map(Digest::of), "{name}");
    let new = (file.change() != Change::Deleted).then_some(new);
    assert_eq!(applied.after, new.as_deref().map(Digest::of), "{name}");
    Ok(new)
}

#[test]
fn thousands_of_binary_diffs_give_what_gnu_patch_gives() {
    if !tools::have_gnu_patch() {
        return;
    }
    let (mut patched, mut hunks) = (0, 0);
    for round in 0..ROUNDS {
        let dir = tempfile::tempdir().unwrap();
        let mut random = Random::new(round);
        for at in 0..FILES {
            let (old, new) = random.pair();
            for (side, bytes) in [("old", old), ("new", new)] {
                fs::create_dir_all(dir.path().join(side).join("kernel")).unwrap();
                let path = dir.path().join(side).join(format!("kernel/f{at}"));
                if let Some(bytes) = bytes {
                    fs::write(path, bytes).unwrap();
                }
            }
        }
        let plain = diff(dir.path(), round % 5);
        let text = if round % 2 == 0 { plain } else { with_git_headers(&plain) };
        hunks += text.split(|b| *b == b'\n').filter(|line| line.starts_with(b"@@ -")).count();
        let patch = Patch::parse(&text).unwrap();
        patched += patch.files().len();

        let root = dir.path().join("old");
        let names: Vec<_> = (0..FILES).map(|at| format!("kernel/f{at}")).collect();
        let our: Vec<_> = names.iter().map(|name| ours(&patch, name, &root)).collect();
        assert_eq!(gnu_patch(&text, &root), Outcome::Applied, "round {round}");
        for (name, our) in names.iter().zip(our) {
            let our = match our {
                Ok(our) => our,
                // Without context, an insertion at the start looks like a new file. GNU patch would
                // ask; the library refuses.
                Err(why) if round % 5 == 0 && why.contains("exists already") => continue,
                Err(why) => panic!("round {round}, {name}: {why}"),
            };
            assert_eq!(our, fs::read(root.join(name)).ok(), "round {round}, {name}");
            assert_eq!(our, fs::read(dir.path().join("new").join(name)).ok(), "{round}, {name}");
        }
    }
    assert!(patched > 2000, "only {patched} files were patched");
    assert!(hunks > 4000, "only {hunks} hunks");
}

#[test]
fn what_gnu_patch_refuses_on_other_files_we_refuse_as_well() {
    if !tools::have_gnu_patch() {
        return;
    }
    let (mut refused, mut agreed, mut moved) = (0, 0, 0);
    for seed in 0..600 {
        let mut random = Random::new(1000 + seed);
        let dir = tempfile::tempdir().unwrap();
        let (old, new) = random.two_files();
        for (side, bytes) in [("old", &old), ("new", &new)] {
            fs::create_dir_all(dir.path().join(side)).unwrap();
            fs::write(dir.path().join(side).join("f"), bytes).unwrap();
        }
        let text = diff(dir.path(), 3);
        if text.is_empty() {
            continue;
        }
        // The patch was made for another content of the file.
        let root = dir.path().join("old");
        fs::write(root.join("f"), random.damage(&old)).unwrap();
        let our = ours(&Patch::parse(&text).unwrap(), "f", &root);
        match (gnu_patch(&text, &root), our) {
            (Outcome::Failed, Err(_)) => refused += 1,
            (Outcome::Applied, Ok(our)) => {
                assert_eq!(our, fs::read(root.join("f")).ok(), "seed {seed}");
                agreed += 1;
            }
            // The library never searches for another position.
            (Outcome::Moved, Err(_)) => moved += 1,
            // The library refuses a hunk that ends the file if the file continues.
            (Outcome::Applied, Err(why)) if why.contains("the file continues") => moved += 1,
            (gnu, ours) => panic!("seed {seed}: {gnu:?}, but ours {:?}", ours.map(|_| ())),
        }
    }
    assert!(refused > 100 && agreed > 100 && moved > 20, "{refused} {agreed} {moved}");
}

/// Checks that GNU patch applies every patch that the library applies, with the same result. Returns
/// whether the library applies this one.
fn applies_like_gnu(text: &[u8], root: &Path, seed: u64) -> bool {
    let our = Patch::parse(text)
        .map_err(|error| error.to_string())
        .and_then(|patch| ours(&patch, "f", root));
    let Ok(our) = our else { return false };
    assert_eq!(gnu_patch_with_fuzz(text, root), Outcome::Applied, "seed {seed}");
    assert_eq!(our, fs::read(root.join("f")).ok(), "seed {seed}");
    true
}

#[test]
fn patches_that_were_tampered_with_are_never_applied_differently() {
    if !tools::have_gnu_patch() {
        return;
    }
    let (mut refused, mut agreed) = (0, 0);
    for seed in 0..600 {
        let mut random = Random::new(2000 + seed);
        let dir = tempfile::tempdir().unwrap();
        let (old, new) = random.two_files();
        for (side, bytes) in [("old", &old), ("new", &new)] {
            fs::create_dir_all(dir.path().join(side)).unwrap();
            fs::write(dir.path().join(side).join("f"), bytes).unwrap();
        }
        let text = random.damage(&diff(dir.path(), 3));
        let root = dir.path().join("old");
        *(if applies_like_gnu(&text, &root, seed) { &mut agreed } else { &mut refused }) += 1;
    }
    assert!(refused > 100 && agreed > 100, "{refused} {agreed}");
}

#[test]
fn patches_cut_off_at_the_end_give_what_gnu_patch_gives_or_nothing() {
    if !tools::have_gnu_patch() {
        return;
    }
    let (mut refused, mut agreed) = (0, 0);
    for seed in 0..400 {
        let mut random = Random::new(3000 + seed);
        let dir = tempfile::tempdir().unwrap();
        let (old, new) = random.two_files();
        let tail: &[u8] = [b"", &b"\n\n\n"[..], b"x\n\n\n", b"x\ny\nz\n"][random.below(4)];
        for (side, bytes) in [("old", &old), ("new", &new)] {
            fs::create_dir_all(dir.path().join(side)).unwrap();
            let bytes = [bytes, &b"\nthe last unique line\n"[..], tail].concat();
            fs::write(dir.path().join(side).join("f"), bytes).unwrap();
        }
        let mut text = diff(dir.path(), 3);
        let root = dir.path().join("old");
        text.truncate(text.len() - random.below(10).min(text.len()));
        if random.below(4) == 0 {
            text.extend_from_slice(b"\n \n");
        }
        *(if applies_like_gnu(&text, &root, seed) { &mut agreed } else { &mut refused }) += 1;
    }
    assert!(refused > 50 && agreed > 50, "{refused} {agreed}");
}

#[test]
fn a_blob_of_62_mb_streams_past() {
    if !tools::have_gnu_patch() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut random = Random::new(7);
    let old = random.blob(62 << 20);
    let mut new = old.clone();
    for at in [1 << 20, 30 << 20, 61 << 20] {
        new[at..at + 4].copy_from_slice(b"\x00\x90\x90\x00");
    }
    for (side, bytes) in [("old", &old), ("new", &new)] {
        fs::create_dir_all(dir.path().join(side)).unwrap();
        fs::write(dir.path().join(side).join("nv-kernel.o_binary"), bytes).unwrap();
    }
    let text = diff(dir.path(), 3);
    assert!(text.contains(&0) && text.len() < 1 << 20, "{}", text.len());
    let patch = Patch::parse(&text).unwrap();
    let root = dir.path().join("old");
    let mut file = fs::File::open(root.join("nv-kernel.o_binary")).unwrap();
    let mut sink = std::io::sink();
    let applied = patch.files()[0].apply(Some(&mut file), &mut sink).unwrap();
    assert_eq!(applied.before, Some(Digest::of(&old)));
    assert_eq!(applied.after, Some(Digest::of(&new)));
    assert_eq!(gnu_patch(&text, &root), Outcome::Applied);
    let theirs = fs::read(root.join("nv-kernel.o_binary")).unwrap();
    assert_eq!(applied.after, Some(Digest::of(&theirs)));
}
