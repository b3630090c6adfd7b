use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};

use super::*;

fn folder() -> (tempfile::TempDir, Utf8PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = Utf8Path::from_path(dir.path()).unwrap().to_owned();
    (dir, path)
}

fn archive(path: &Utf8Path) -> anyhow::Result<(Vec<u8>, u64)> {
    let mut bytes = Vec::new();
    let unpacked = pack(scan(path, &[])?, &mut bytes, &|_| {})?;
    Ok((bytes, unpacked))
}

/// A tree with everything in it that a tree may have.
fn fill(top: &Utf8Path, mode: u32) {
    fs::create_dir_all(top.join("src/deep")).unwrap();
    fs::create_dir(top.join("empty")).unwrap();
    fs::write(top.join("src/main.rs"), "fn main() {}\n").unwrap();
    fs::write(top.join("src-notes"), "").unwrap();
    fs::write(top.join("build.sh"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(top.join("build.sh"), fs::Permissions::from_mode(mode | 0o100)).unwrap();
    fs::set_permissions(top.join("src/main.rs"), fs::Permissions::from_mode(mode)).unwrap();
    fs::write(top.join("src/deep").join("long-".repeat(40)), vec![7; 300_000]).unwrap();
    symlink("../src/main.rs", top.join("src/link")).unwrap();
    symlink("nowhere", top.join("dangling")).unwrap();
}

#[test]
fn two_checkouts_of_the_same_give_the_same_archive() {
    let [(_a, a), (_b, b)] = [folder(), folder()];
    fill(&a, 0o600);
    fs::create_dir(b.join("src")).unwrap();
    fill(&b, 0o664);
    let old = std::time::SystemTime::UNIX_EPOCH;
    fs::File::open(b.join("src/main.rs")).unwrap().set_modified(old).unwrap();
    assert_eq!(archive(&a).unwrap(), archive(&b).unwrap());

    fs::write(b.join("src/main.rs"), "fn main( {}\n").unwrap();
    assert_ne!(archive(&a).unwrap(), archive(&b).unwrap());
}

#[test]
fn gnu_tar_unpacks_what_was_packed() {
    let (_dir, top) = folder();
    fs::create_dir(top.join("in")).unwrap();
    fs::create_dir(top.join("out")).unwrap();
    fill(&top.join("in"), 0o640);
    let (bytes, unpacked) = archive(&top.join("in")).unwrap();
    let tar = zstd::decode_all(&*bytes).unwrap();
    assert_eq!(tar.len() as u64, unpacked);
    fs::write(top.join("t.tar"), tar).unwrap();

    let out = |args: &[&str]| {
        let output = Command::new("tar")
            .arg("-C")
            .arg(top.join("out"))
            .args(args)
            .arg("-f")
            .arg(top.join("t.tar"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    out(&["-x"]);
    let diff = Command::new("diff")
        .args(["-r", "--no-dereference"])
        .arg(top.join("in"))
        .arg(top.join("out"))
        .status();
    assert!(diff.unwrap().success());
    let list = out(&["-tv", "--numeric-owner", "--utc"]);
    for line in list.lines() {
        assert!(line.contains(" 0/0 ") && line.contains(" 1970-01-01 00:00 "), "{line}");
        assert!(
            ["drwxr-xr-x", "-rw-r--r--", "-rwxr-xr-x", "lrwxrwxrwx"].contains(&&line[..10]),
            "{line}"
        );
    }
    assert_eq!(list.matches("-rwxr-xr-x").count(), 1);
    let names: Vec<_> = list.lines().map(|line| line.split("00:00 ").nth(1).unwrap()).collect();
    assert_eq!(names[..5], ["build.sh", "dangling -> nowhere", "empty/", "src/", "src-notes"]);
}

#[test]
fn what_has_no_place_in_a_tree_is_refused_by_name() {
    let check = |make: &dyn Fn(&Utf8Path), word: &str| {
        let (_dir, top) = folder();
        fs::write(top.join("fine"), "").unwrap();
        make(&top);
        let error = archive(&top).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    };
    check(
        &|top| symlink("/etc/passwd", top.join("a")).unwrap(),
        "`a` to `/etc/passwd` is absolute",
    );
    check(&|top| symlink("../x", top.join("a")).unwrap(), "leads out of the folder");
    check(
        &|top| drop(std::os::unix::net::UnixListener::bind(top.join("s")).unwrap()),
        "`s` is a socket",
    );
    check(&|top| fs::write(top.join("a\nb"), "").unwrap(), "a\\nb` has control characters");
    check(&|top| fs::write(top.join("a\\b"), "").unwrap(), "has a backslash");
    let raw = std::os::unix::ffi::OsStrExt::from_bytes;
    check(
        &|top| fs::write(top.as_std_path().join::<&std::ffi::OsStr>(raw(b"a\xff")), "").unwrap(),
        "is not UTF-8",
    );
    check(&|top| fs::remove_file(top.join("fine")).unwrap(), "the folder is empty");
    check(&|top| fs::remove_dir_all(top).unwrap(), "cannot read");
}

#[test]
fn what_is_left_out_is_left_out() {
    let (_dir, top) = folder();
    for name in ["a", ".git", "target/debug"] {
        fs::create_dir_all(top.join(name)).unwrap();
    }
    let exclude = [".git", "target/debug"].map(|path| path.parse().unwrap());
    let nodes = scan(&top, &exclude).unwrap();
    assert_eq!(nodes.iter().map(|node| node.path.as_str()).collect::<Vec<_>>(), ["a", "target"]);
    let error = scan(&top, &["targte".parse().unwrap()]).unwrap_err();
    assert!(error.to_string().contains("`targte`"), "{error}");
}

#[test]
fn a_file_that_changes_meanwhile_is_noticed() {
    let (_dir, top) = folder();
    fs::write(top.join("a"), "some bytes").unwrap();
    let nodes = scan(&top, &[]).unwrap();
    for other in ["some more bytes", "few"] {
        fs::write(top.join("a"), other).unwrap();
        let error = pack(nodes.clone(), &mut Vec::new(), &|_| {}).unwrap_err();
        assert!(error.to_string().contains("has changed while it was being packed"), "{error}");
    }
}

#[test]
fn what_was_packed_comes_back_and_packs_to_the_same() {
    let (_dir, top) = folder();
    for name in ["in", "out", "other"] {
        fs::create_dir(top.join(name)).unwrap();
    }
    fill(&top.join("in"), 0o640);
    let (bytes, unpacked) = archive(&top.join("in")).unwrap();
    unpack(&*bytes, unpacked, &top.join("out")).unwrap();
    assert_eq!(archive(&top.join("out")).unwrap(), (bytes.clone(), unpacked));
    // It is cut off where it was to end, and never a byte further.
    assert!(unpack(&*bytes, unpacked / 2, &top.join("other")).is_err());
}

#[test]
fn an_archive_that_is_not_ours_gets_nowhere() {
    type Fill<'f> = &'f dyn Fn(&mut tar::Builder<Vec<u8>>);
    let pack = |fill: Fill<'_>| {
        let mut archive = tar::Builder::new(Vec::new());
        fill(&mut archive);
        let tar = archive.into_inner().unwrap();
        (zstd::encode_all(&*tar, 3).unwrap(), tar.len() as u64)
    };
    let header = |kind, path: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.as_old_mut().name[..path.len()].copy_from_slice(path);
        header.set_mode(0o644);
        header.set_size(0);
        header
    };
    let link = |archive: &mut tar::Builder<Vec<u8>>, path: &str, target: &str| {
        let mut it = header(tar::EntryType::Symlink, b"");
        archive.append_link(&mut it, path, target).unwrap();
    };
    let cases: [(Fill<'_>, &str); 5] = [
        (&|it| put(it, header(tar::EntryType::Regular, b"../x")), "leads elsewhere"),
        (&|it| put(it, header(tar::EntryType::Regular, b"/x")), "leads elsewhere"),
        (&|it| put(it, header(tar::EntryType::Fifo, b"x")), "`x` in the archive is neither"),
        (&|it| link(it, "a", "../b"), "leads out of the folder"),
        (
            &|it| {
                put(it, header(tar::EntryType::Regular, b"x"));
                put(it, header(tar::EntryType::Regular, b"x"));
            },
            "cannot write `x`",
        ),
    ];
    for (fill, word) in cases {
        let (_dir, top) = folder();
        fs::create_dir(top.join("out")).unwrap();
        let (bytes, unpacked) = pack(fill);
        let error = unpack(&*bytes, unpacked, &top.join("out")).unwrap_err().to_string();
        assert!(error.contains(word), "{word}: {error}");
        assert_eq!(fs::read_dir(&top).unwrap().count(), 1);
    }
}

fn put(archive: &mut tar::Builder<Vec<u8>>, mut header: tar::Header) {
    header.set_cksum();
    archive.append(&header, std::io::empty()).unwrap();
}
