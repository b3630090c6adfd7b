//! A mirror in a folder, such as a mounted medium, is a source like any other.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};
use vgpu_manifest::{Kind, Manifest};
use vgpu_tests::roots::{Archive, Release, Roots, with_own_mounts};
use vgpu_tests::scratch::{Scratch, expect};

use super::laptop::{Laptop, Network, Recipe};
use super::sets::Upgrades;

#[test]
fn a_mirror_in_a_folder_gives_the_same_bundle_without_a_network() {
    with_own_mounts(
        "closures::folder::a_mirror_in_a_folder_gives_the_same_bundle_without_a_network",
        || {
            let Some(roots) = Roots::open() else { return };
            for release in [Release::Debian12, Release::Debian13] {
                compare(&roots, release);
            }
        },
    );
}

fn compare(roots: &Roots, release: Release) {
    let Some(plain) = roots.pristine(release) else { return };
    let mirror = roots.mirror();
    let scratch = Scratch::new(env!("CARGO_BIN_EXE_demo"));
    expect(scratch.bundler(&["key", "generate", "--principal", "alice", "--no-passphrase"]), 0);
    let status = plain.path().join("var/lib/dpkg/status");
    let node = format!("installed = \"{status}\"");
    let online = Recipe {
        release,
        wanted: &["mdevctl", "kmod"],
        upgrades: Upgrades::Coupled,
        node: &node,
        archives: plain.archives(),
        mirror,
        keys: &mirror.fingerprints(),
    };
    let laptop = Laptop::new(&scratch, Network::Through(mirror.proxy()), "online", online);
    let built = laptop.build();
    assert!(built.manifest.records(Kind::package).count() > 2);

    // The content of a partial mirror: signed releases, whole indexes, and some of the packages.
    let mut places = BTreeMap::new();
    let medium = |archive: &Archive| scratch.path("medium").join(&archive.suite);
    let mirrored = plain.archives().iter().map(|it| copy(it, &medium(it), &mut places));
    let mirrored: Vec<_> = mirrored.collect();
    let out = laptop.extract(&built);
    let mut copied = Vec::new();
    for (item, _) in built.manifest.records(Kind::package) {
        let to = &places[&item.sha256().to_string()];
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(out.join(item.name().as_str()), to).unwrap();
        copied.push(to);
    }
    drop(laptop);
    fs::remove_dir_all(scratch.path("cache")).unwrap();

    let offline = Recipe { archives: &mirrored, ..online };
    let laptop = Laptop::new(&scratch, Network::Cut, "offline", offline);
    let again = laptop.build();
    let records = |manifest: &Manifest| -> Vec<_> {
        manifest.records(Kind::package).map(|(_, record)| record.clone()).collect()
    };
    assert_eq!(records(&again.manifest), records(&built.manifest));
    assert_eq!(again.manifest.archives, built.manifest.archives);
    drop(laptop);
    fs::remove_dir_all(scratch.path("cache")).unwrap();

    // A missing file and a different file are both refused.
    let laptop = Laptop::new(&scratch, Network::Cut, "broken", offline);
    let refused = |words: &[&str]| {
        let said = laptop.run(&["build"]);
        assert_eq!(said.code, Some(1), "{}", said.err);
        assert!(words.iter().all(|word| said.err.contains(word)), "{}", said.err);
    };
    let mut bytes = fs::read(copied[0]).unwrap();
    bytes[100] ^= 1;
    fs::write(copied[0], bytes).unwrap();
    let name = copied[0].file_name().unwrap();
    refused(&[name, "has another content"]);
    fs::remove_file(copied[0]).unwrap();
    refused(&[name, "cannot read"]);
}

/// Copies the files that describe a suite into a folder, and adds the paths of its packages to
/// `places`.
fn copy(archive: &Archive, to: &Utf8Path, places: &mut BTreeMap<String, Utf8PathBuf>) -> Archive {
    let suite = &archive.suite;
    let dists = format!("dists/{suite}");
    let index = format!("{dists}/main/binary-amd64/Packages.xz");
    fs::create_dir_all(to.join(&index).parent().unwrap()).unwrap();
    fs::write(to.join(dists).join("InRelease"), archive.in_release().unwrap()).unwrap();
    fs::write(to.join(&index), archive.file(&index).unwrap()).unwrap();
    let mut unpack = Command::new("xz");
    unpack.args(["--decompress", "--stdout", to.join(&index).as_str()]);
    let text = expect(unpack, 0);
    for stanza in text.out.split("\n\n") {
        let field = |name: &str| stanza.lines().find_map(|line| line.strip_prefix(name));
        if let (Some(file), Some(sha256)) = (field("Filename: "), field("SHA256: ")) {
            places.insert(sha256.to_owned(), to.join(file));
        }
    }
    Archive { url: format!("file:{to}"), suite: suite.clone() }
}
