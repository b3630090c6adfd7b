//! The stock recipe of `docs/STOCK-RECIPE.md`, verbatim.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};

use camino::{Utf8Path, Utf8PathBuf};
use vgpu_keys::Agent;
use vgpu_manifest::{Bundle, ItemMode};
use vgpu_tests::sample::{Part, Sample, parts};
use vgpu_tests::skip::have;
use vgpu_tests::stock::recipe;
use vgpu_tests::tree::Snapshot;

use crate::keys::authenticator::{SecurityKey, TokenAgent};

/// A good bundle, and a working folder for the recipe.
struct Stage {
    sample: Sample,
    good: Utf8PathBuf,
}

/// The outcome of the recipe.
struct Outcome {
    proven: bool,
    said: String,
    folder: Utf8PathBuf,
}

impl Stage {
    fn new() -> Option<Self> {
        let tools = ["sh", "tar", "dd", "ssh-keygen", "sha256sum", "find"];
        if !tools.into_iter().all(have) {
            return None;
        }
        let sample = Sample::new().unwrap();
        let good = sample.write("good.vgpu.tar", &parts(), &["alice"]).unwrap();
        fs::write(sample.path("allowed_signers"), sample.allowed_signers().unwrap()).unwrap();
        fs::create_dir(sample.path("tries")).unwrap();
        Some(Self { sample, good })
    }

    /// Returns the bundle that a script of the hostile collection makes.
    fn hostile(&self, name: &str) -> Utf8PathBuf {
        let script = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("hostile").join(name);
        let scratch = self.sample.path(&format!("scratch-{name}"));
        fs::create_dir(&scratch).unwrap();
        let made = self.sample.path(&format!("{name}.vgpu.tar"));
        let mut command = Command::new("sh");
        command.arg(script.join("make.sh"));
        command.args([&self.good, &self.sample.keys().join("alice"), &made]);
        let output = command.current_dir(&scratch).output().unwrap();
        assert!(output.status.success(), "{name}: {output:?}");
        fs::remove_dir_all(scratch).unwrap();
        made
    }

    /// Runs the recipe in a new folder.
    ///
    /// # Panics
    ///
    /// If anything outside the folder that the recipe makes appears or changes.
    fn follow(&self, name: &str, bundle: &Utf8Path, slot: &str, who: &str) -> Outcome {
        let folder = self.sample.path("tries").join(name).join("a/b/c");
        fs::create_dir_all(&folder).unwrap();
        let everywhere = self.sample.path("");
        let inside = format!("tries/{name}/a/b/c/unpacked");
        let before = Snapshot::of(&everywhere, &[&inside]).unwrap();
        let mut command = Command::new("sh");
        command.arg("-c").arg(recipe()).current_dir(&folder);
        command.env("BUNDLE", bundle).env("SIGNERS", self.sample.path("allowed_signers"));
        let Output { status, stdout, stderr } =
            command.env("WHO", who).env("SLOT", slot).output().unwrap();
        let after = Snapshot::of(&everywhere, &[&inside]).unwrap();
        assert_eq!(before.differences(&after), Vec::<String>::new(), "{name}");

        let said =
            format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
        let proven = status.success();
        assert_eq!(proven, said.contains("\nproven: "), "{name}: {said}");
        Outcome { proven, said, folder: folder.join("unpacked") }
    }

    fn refused(&self, name: &str) -> Outcome {
        let outcome = self.follow(name, &self.hostile(name), "1", "alice");
        assert!(!outcome.proven, "{name}: {}", outcome.said);
        // It may contain a device node, on which the next comparison would fail.
        let _ = fs::remove_dir_all(&outcome.folder);
        outcome
    }
}

#[test]
fn a_good_bundle_is_proven_and_unpacked() {
    let Some(stage) = Stage::new() else { return };
    let outcome = stage.follow("good", &stage.good, "1", "alice");
    assert!(outcome.proven, "{}", outcome.said);
    for part in parts() {
        let path = outcome.folder.join(&part.name);
        assert!(fs::read(&path).unwrap() == part.bytes, "{}", part.name);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o077, 0, "{path}");
    }
    assert_eq!(fs::metadata(&outcome.folder).unwrap().permissions().mode() & 0o7777, 0o700);
}

#[test]
fn items_with_the_names_of_the_recipe_s_own_files_are_unpacked() {
    let Some(stage) = Stage::new() else { return };
    let part = |name: &str| Part {
        name: name.to_owned(),
        mode: ItemMode::Plain,
        bytes: format!("the bytes of {name}\n").into_bytes(),
    };
    for names in [&["slot", "names"][..], &["slot/x", "names/y"], &["unpacked", "a/slot"]] {
        let parts: Vec<_> = names.iter().map(|name| part(name)).collect();
        let bundle = stage.sample.write("names.vgpu.tar", &parts, &["alice"]).unwrap();
        let outcome = stage.follow(&names.concat().replace('/', "-"), &bundle, "1", "alice");
        assert!(outcome.proven, "{names:?}: {}", outcome.said);
        for part in parts {
            assert_eq!(fs::read(outcome.folder.join(&part.name)).unwrap(), part.bytes);
        }
    }
}

#[test]
fn a_second_signature_is_proven_by_its_slot() {
    let Some(stage) = Stage::new() else { return };
    let bundle = stage.hostile("003-control-signatures");
    assert!(stage.follow("bob", &bundle, "8", "bob").proven);
    assert!(!stage.follow("not-bob", &bundle, "8", "alice").proven);
    assert!(!stage.follow("stranger", &bundle, "4", "alice").proven);
    assert!(!stage.follow("mallory", &bundle, "2", "alice").proven);
}

/// A security key has signed through its agent, and the bundle brings a policy: the recipe is the same.
#[test]
fn security_keys_and_policies_need_no_other_recipe() {
    let Some(stage) = Stage::new() else { return };
    let token = SecurityKey::new(7);
    let agent = TokenAgent::start(token.clone());
    let signer = Agent::connect(agent.socket()).unwrap().signer(&token.public()).unwrap();
    let bundle = stage.hostile("004-control-policies");
    let policy = stage.sample.policy(1).unwrap();
    let opened = Bundle::open(&bundle).unwrap();
    let last = opened.successors(&policy).unwrap().pop().unwrap();
    assert_eq!(opened.verify(&last.policy).unwrap().cosign(&signer).unwrap(), 2);

    let signers = stage.sample.path("allowed_signers");
    let line = format!("token namespaces=\"vgpu-bundle\" {}\n", token.line());
    fs::write(&signers, fs::read_to_string(&signers).unwrap() + &line).unwrap();
    for (slot, who) in [("1", "alice"), ("2", "token")] {
        let outcome = stage.follow(who, &bundle, slot, who);
        assert!(outcome.proven, "{}", outcome.said);
        let policies = fs::read_to_string(outcome.folder.join("policies")).unwrap();
        assert!(policies.starts_with("version = 2\n"), "{policies}");
    }
    assert!(!stage.follow("not-token", &bundle, "2", "alice").proven);
}

/// The list of a delta bundle has only what it carries, so the recipe checks exactly that.
#[test]
fn what_a_delta_carries_is_proven_and_unpacked() {
    let Some(stage) = Stage::new() else { return };
    for (name, carried) in [
        ("007-control-delta", &["conf/vgpu.conf", "empty", "bin/tool"][..]),
        ("008-control-delta-of-nothing", &[]),
    ] {
        let outcome = stage.follow(name, &stage.hostile(name), "1", "alice");
        assert!(outcome.proven, "{name}: {}", outcome.said);
        for part in parts() {
            let is_there = outcome.folder.join(&part.name).exists();
            assert_eq!(is_there, carried.contains(&part.name.as_str()), "{name}: {}", part.name);
        }
        let manifest = fs::read_to_string(outcome.folder.join("MANIFEST.json")).unwrap();
        let digest = vgpu_manifest::Digest::of(&parts()[1].bytes).to_string();
        assert!(manifest.contains(&digest), "what is left out is signed as well");
    }
    // A payload that is there nevertheless is not signed, and not unpacked.
    let name = "319-left-out-item-is-there";
    let outcome = stage.follow(name, &stage.hostile(name), "1", "alice");
    assert!(!outcome.folder.join("conf/profiles.conf").exists(), "{}", outcome.said);
}

#[test]
fn a_bundle_in_which_anything_was_replaced_is_refused() {
    let Some(stage) = Stage::new() else { return };
    for (name, words) in [
        ("801-payload-replaced", "conf/vgpu.conf: FAILED"),
        ("802-last-byte-replaced", "driver/NVIDIA-Linux-x86_64-535.run: FAILED"),
        ("803-manifest-replaced", "MANIFEST.json: FAILED"),
        ("804-root-replaced", "incorrect signature"),
        ("805-all-but-signature-replaced", "incorrect signature"),
        ("806-signature-replaced", "Could not verify signature"),
        ("807-signature-of-another-bundle", "incorrect signature"),
        ("808-payload-of-another-bundle", "conf/vgpu.conf: FAILED"),
        ("809-manifest-of-another-bundle", "MANIFEST.json: FAILED"),
        ("302-swapped-contents", "conf/vgpu.conf: FAILED"),
        ("303-missing-item", "Not found in archive"),
        ("501-unsigned", "Could not verify signature"),
        ("505-unknown-key", "Could not verify signature"),
        ("507-key-of-another-role", "Could not verify signature"),
        ("508-foreign-namespace", "namespace"),
        ("522-over-the-manifest", "incorrect signature"),
    ] {
        let outcome = stage.refused(name);
        assert!(outcome.said.contains(words), "{name}: {}", outcome.said);
    }
}

/// Even if the signer is the attacker, or tar options change the handling of a good member.
#[test]
fn nothing_is_planted_outside_of_the_folder() {
    let Some(stage) = Stage::new() else { return };
    for name in [
        "101-name-climbs",
        "102-name-climbs-later",
        "103-name-absolute",
        "201-type-hard-link",
        "202-type-symlink",
        "203-type-char-device",
        "206-type-fifo",
        "211-pax-header",
        "214-gnu-long-name",
        "236-prefix",
        "701-empty-file",
        "705-web-page",
        "708-gzip-bomb",
    ] {
        stage.refused(name);
    }
    // The recipe may accept or refuse these, depending on the tools, but nothing outside is
    // touched.
    for name in [
        "104-name-backslash",
        "110-name-option",
        "119-names-equal",
        "221-mode-setuid",
        "231-uid",
        "305-extra-item",
        "306-extra-manifest",
        "308-member-after-the-end",
        "318-folders-as-members",
    ] {
        let outcome = stage.follow(name, &stage.hostile(name), "1", "alice");
        if outcome.proven {
            let tree = fs::metadata(outcome.folder.join("bin/tool")).unwrap();
            assert_eq!(tree.permissions().mode() & 0o7777, 0o700, "{name}");
            for extra in ["extra", "etc", "conf/evil.conf"] {
                assert!(!outcome.folder.join(extra).exists(), "{name}: {extra}");
            }
        }
    }
}

/// A member that occurs twice in the archive, first as the attacker's link: the recipe extracts the
/// first, detects the link, and does not follow it.
#[test]
fn a_folder_of_the_attacker_is_not_written_through() {
    let Some(stage) = Stage::new() else { return };
    let folder = stage.sample.path("attack");
    let outside = stage.sample.path("outside");
    fs::create_dir_all(&folder).unwrap();
    fs::create_dir(&outside).unwrap();
    let bundle = stage.sample.path("attack.vgpu.tar");
    // `conf` becomes a link to another folder, before its members.
    let script = "set -e
        mkdir m && tar -xf \"$1\" -C m && mv m/conf m/kept && ln -s \"$2\" m/conf
        cd m && tar --format=ustar -b1 -cf \"$3\" SIGNATURES SHA256SUMS MANIFEST.json conf
        rm conf && mv kept conf
        tar --format=ustar -b1 -rf \"$3\" conf/vgpu.conf conf/profiles.conf empty bin/tool driver";
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]).args([&stage.good, &outside, &bundle]).current_dir(&folder);
    assert!(command.status().unwrap().success());
    let outcome = stage.follow("attack", &bundle, "1", "alice");
    assert_eq!(outside.read_dir_utf8().unwrap().count(), 0);
    assert!(outcome.proven, "the items themselves are good: {}", outcome.said);
    assert!(!outcome.folder.join("conf").is_symlink());
}
