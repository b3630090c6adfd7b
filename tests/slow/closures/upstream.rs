//! `verify --upstream` on roots of each release: Debian's own packages, signatures and keyrings.

use std::fs;
use std::process::Command;

use vgpu_tests::roots::{Layer, Release, Roots, with_own_mounts};
use vgpu_tests::scratch::{Scratch, expect, fingerprint};

use super::laptop::{Laptop, Network, Recipe};
use super::sets::Upgrades;

#[test]
fn a_node_of_each_release_confirms_the_packages_of_debian() {
    with_own_mounts(
        "closures::upstream::a_node_of_each_release_confirms_the_packages_of_debian",
        || {
            let Some(roots) = Roots::open() else { return };
            for release in [Release::Debian11, Release::Debian12, Release::Debian13] {
                confirm(&roots, release);
            }
        },
    );
}

fn confirm(roots: &Roots, release: Release) {
    // Nodes have both; the smallest roots do not.
    let layer = Layer { name: "upstream", packages: &["debian-archive-keyring", "xz-utils"] };
    let Some(pristine) = roots.layered(release, layer) else { return };
    let (scratch, keys) = (Scratch::new(env!("CARGO_BIN_EXE_demo")), roots.mirror().fingerprints());
    expect(scratch.bundler(&["key", "generate", "--principal", "alice", "--no-passphrase"]), 0);
    let recipe = Recipe {
        release,
        wanted: &["dkms", "make"],
        upgrades: Upgrades::Never,
        node: "carry-index = true",
        archives: pristine.archives(),
        mirror: roots.mirror(),
        keys: &keys,
    };
    let network = Network::Through(roots.mirror().proxy());
    let laptop = Laptop::new(&scratch, network, release.codename(), recipe);
    let built = laptop.build();

    let root = pristine.fresh();
    let proc = root.at("proc");
    fs::create_dir_all(&proc).unwrap();
    let mounted = Command::new("mount").args(["-t", "proc", "proc", proc.as_str()]).status();
    assert!(mounted.unwrap().success(), "cannot mount {proc}");
    let key = scratch.path("config/vgpu-offline/key.pub");
    let fingerprint = fingerprint(&key);
    let words =
        ["trust", "add", key.as_str(), "--principal", "alice", "--fingerprint", &fingerprint];
    expect(scratch.installer_on(root.path(), &words), 0);
    let verify = ["--chroot", "verify", "--upstream", built.bundle.as_str()];
    let said = expect(scratch.installer_on(root.path(), &verify), 0);
    let all = built.manifest.items.iter().filter(|item| item.kind().package().is_some()).count();
    eprintln!("{}: {}", release.codename(), said.err);
    let line = format!("{all} of {all} packages are signed by their archives");
    assert!(all > 0 && said.out.contains(&line), "{}", said.out);

    // Without the distribution's keys, nothing is confirmed.
    expect(root.command(&["dpkg", "--force-depends", "--purge", "debian-archive-keyring"]), 0);
    let said = expect(scratch.installer_on(root.path(), &verify), 3);
    assert!(said.err.contains("debian-archive-keyring"), "{}", said.err);
    let _ = Command::new("umount").args(["--lazy", proc.as_str()]).status();
}
