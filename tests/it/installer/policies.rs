//! Trust that travels: signed policies in bundles and files.

use std::fs;

use vgpu_keys::{Agent, KeyFile, Role, Signer};

use crate::installer::fixture::{Ran, Site, Spec, key};
use crate::installer::tree::tree;
use crate::keys::authenticator::{SecurityKey, TokenAgent};

const ROLES: &str = "vgpu-bundle,vgpu-policy";

/// Returns the document of a policy with these signers.
fn document(
    version: u64,
    more: &str,
    signers: &[(&str, &KeyFile)],
    revoked: &[&KeyFile],
) -> String {
    let line = |(name, key): &(&str, &KeyFile)| {
        format!("{name} namespaces=\"{ROLES}\" {}\n", key.public_key())
    };
    let signers: String = signers.iter().map(line).collect();
    let revoked = revoked.iter().map(|key| format!("{}\n", key.public_key()));
    let revoked = revoked.collect::<Vec<_>>().concat();
    format!(
        "version = {version}\nthreshold = 1\n{more}channels = [\"stable\"]\n\
         signers = '''\n{signers}'''\nrevoked = '''\n{revoked}'''\n"
    )
}

fn signed(document: &str, keys: &[&dyn Signer]) -> String {
    let sign = |key: &&dyn Signer| key.sign(Role::Policy, document.as_bytes()).unwrap().to_armor();
    document.to_owned() + &keys.iter().map(sign).collect::<String>()
}

fn policy(site: &Site) -> String {
    fs::read_to_string(site.path("root/etc/vgpu-offline/policy.toml")).unwrap()
}

/// Returns a host with policy 1, which trusts Alice for everything.
fn ready() -> (Site, [KeyFile; 3]) {
    let (site, keys) = (Site::new(), [key(1), key(2), key(3)]);
    site.trust(&keys[0], "alice", &["--namespaces", ROLES]).expect(0);
    (site, keys)
}

/// Alice has lost her key to a thief; Bob replaces her, in two steps.
fn chain([alice, bob, _]: &[KeyFile; 3]) -> String {
    let two = document(2, "", &[("alice", alice), ("bob", bob)], &[]);
    let three = document(3, "", &[("bob", bob)], &[alice]);
    signed(&two, &[alice]) + &signed(&three, &[bob])
}

#[test]
fn a_bundle_brings_the_policy_that_trusts_its_signer_and_a_revert_keeps_it() {
    let (site, keys) = ready();
    let [alice, bob, _] = &keys;
    let before = policy(&site);
    let bundle = site.bundle(&Spec::small(1, "one").bringing(&chain(&keys)), &[bob]);
    let everything = tree(&site.root());
    for command in [&["verify", &bundle][..], &["plan", &bundle], &["check", &bundle]] {
        let ran = site.run(command);
        assert_eq!(tree(&site.root()), everything, "{command:?} changes nothing");
        if command[0] != "check" {
            ran.expect(0).says(&[
                "policy 2, signed by alice:",
                "  trust bob with SHA256:",
                "policy 3, signed by bob:",
                &format!("  revoke {} of alice", alice.public_key().fingerprint()),
                "`apply` takes policy 3 before anything else",
            ]);
        }
    }
    assert_eq!(policy(&site), before);

    site.run(&["apply", "--yes", &bundle])
        .expect(0)
        .says(&["policy 3, signed by bob", "version 3"]);
    let three = document(3, "", &[("bob", bob)], &[alice]);
    assert_eq!(policy(&site), three, "byte for byte what was signed");
    let revoked = fs::read_to_string(site.path("root/etc/vgpu-offline/revoked_keys")).unwrap();
    assert_eq!(revoked, format!("{}\n", alice.public_key()));
    let log = fs::read_to_string(site.path("root/var/lib/vgpu-offline/trust.log")).unwrap();
    assert!(log.contains("replace the policy by version 2, signed by alice\n"), "{log}");
    assert!(log.contains("replace the policy by version 3, signed by bob\n"), "{log}");

    site.run(&["revert", "--yes"]).expect(0);
    assert!(!site.path("root/etc/vgpu-note").exists());
    assert_eq!(policy(&site), three, "a revert keeps trust");
    let by_alice = site.bundle(&Spec::small(2, "two!"), &[alice]);
    site.run(&["apply", "--yes", &by_alice]).expect(3).says(&["is revoked"]);
    // The same bundle again: its policies are skipped.
    let again = site.run(&["apply", "--yes", &bundle]).expect(0);
    assert!(!again.err.contains("policy"), "{}", again.err);
}

#[test]
fn policies_stay_if_the_bundle_or_the_plan_is_refused() {
    let (site, keys) = ready();
    // Alice's key has leaked, and the thief sends her last bundle with the policy that revokes it.
    let bundle = site.bundle(&Spec::small(1, "one").bringing(&chain(&keys)), &[&keys[0]]);
    site.run(&["verify", &bundle]).expect(3).says(&["is revoked"]);
    site.run(&["apply", "--yes", &bundle]).expect(3).says(&["version 3", "is revoked"]);
    assert!(policy(&site).starts_with("version = 3\n"));
    assert!(!site.path("root/etc/vgpu-note").exists());

    let (site, keys) = ready();
    let bundle = site.bundle(&Spec::small(1, "one").bringing(&chain(&keys)), &[&keys[1]]);
    site.run(&["apply", &bundle]).expect(2).says(&["version 3; a revert does not undo", "--yes"]);
    assert!(policy(&site).starts_with("version = 3\n"));
}

#[test]
fn a_host_that_cannot_be_re_keyed_says_how_to_go_on() {
    // `trust add` alone leaves no key that may sign a policy.
    let (site, keys) = (Site::new(), [key(1), key(2), key(3)]);
    let [alice, bob, _] = &keys;
    let warning = [
        "warning: 1 trusted signature is required for a policy, but only 0 of the principals",
        "--namespaces vgpu-bundle,vgpu-policy",
    ];
    site.trust(alice, "alice", &[]).expect(0).says(&warning);
    site.run(&["trust", "list"]).expect(0).says(&warning);
    let bundle = site.bundle(&Spec::small(1, "one").bringing(&chain(&keys)), &[bob]);
    let words = [
        "this host cannot take policy 2: too few signers of the current policy",
        "of alice may not sign for vgpu-policy",
        "hint: too few of the keys that this host trusts may sign a policy, so it can be re-keyed \
         only on the host itself: `vgpu-installer trust add`",
    ];
    site.run(&["verify", &bundle]).expect(3).says(&words);
    site.run(&["apply", "--yes", &bundle]).expect(3).says(&words);
    // A change on the host itself takes the number of a signed policy, which is then skipped.
    site.trust(&key(9), "erin", &["--namespaces", ROLES]).expect(0);
    let two = signed(&document(2, "", &[("alice", alice), ("bob", bob)], &[]), &[alice]);
    let skipped = site.bundle(&Spec::small(3, "three").bringing(&two), &[bob]);
    site.run(&["verify", &skipped]).expect(3).says(&["not newer than policy 2 of this host"]);
    fs::remove_dir_all(site.path("root/etc/vgpu-offline")).unwrap();
    site.trust(alice, "alice", &[]).expect(0);
    // The way out makes version 2 of this host, and the bundle brings the third.
    site.trust(bob, "bob", &["--namespaces", ROLES]).expect(0);
    let list = site.run(&["trust", "list"]).expect(0);
    assert!(!list.err.contains("warning"), "{}", list.err);
    site.run(&["apply", "--yes", &bundle]).expect(0).says(&["version 3"]);
}

#[test]
fn an_older_policy_never_comes_back() {
    let (site, keys) = ready();
    let [alice, bob, carol] = &keys;
    let file = site.write("stick/policies", chain(&keys).as_bytes()).into_string();
    site.run(&["trust", "update", &file]).expect(0).says(&["policy 3, signed by bob", "version 3"]);
    let now = policy(&site);
    site.run(&["trust", "update", &file]).expect(0).says(&["has version 3 already"]);
    let old = signed(&document(2, "", &[("alice", alice), ("carol", carol)], &[]), &[alice, bob]);
    let old = site.write("stick/old", old.as_bytes()).into_string();
    site.run(&["trust", "update", &old]).expect(3).says(&["this host has policy 3", "never comes"]);
    let replayed = fs::read_to_string(&old).unwrap();
    let bundle = site.bundle(&Spec::small(1, "one").bringing(&replayed), &[carol]);
    site.run(&["apply", "--yes", &bundle]).expect(3).says(&["is not a trusted key"]);
    let fifth = signed(&document(5, "", &[("bob", bob)], &[alice]), &[bob]);
    let fifth = site.write("stick/five", fifth.as_bytes()).into_string();
    site.run(&["trust", "update", &fifth])
        .expect(3)
        .says(&["policy 4 is missing", "hint: get the"]);
    assert_eq!(policy(&site), now);
    let unsigned =
        site.write("stick/unsigned", document(4, "", &[("bob", bob)], &[alice]).as_bytes());
    site.run(&["trust", "update", unsigned.as_str()]).expect(3).says(&["policy 4 is not signed"]);
}

#[test]
fn policies_can_need_more_signatures_than_bundles() {
    let (site, keys) = ready();
    let [alice, bob, _] = &keys;
    let ran = site.trust(bob, "bob", &["--namespaces", ROLES, "--policy-threshold", "3"]).expect(0);
    ran.says(&["3 trusted signatures are required for a policy, but only 2"]);
    site.trust(bob, "bob", &["--policy-threshold", "2"]).expect(0);
    let list = site.run(&["trust", "list", "--json"]).expect(0).json();
    assert_eq!((&list["threshold"], &list["policy-threshold"]), (&1.into(), &2.into()));
    assert_eq!(list["policy-signers"], serde_json::json!(["alice", "bob"]));
    let four = document(4, "", &[("bob", bob)], &[]);
    let update = |name: &str, keys: &[&dyn Signer]| -> Ran {
        let file = site.write(&format!("stick/{name}"), signed(&four, keys).as_bytes());
        site.run(&["trust", "update", file.as_str()])
    };
    update("by-bob", &[bob]).expect(3).says(&["2 trusted signatures required for vgpu-policy"]);
    update("by-both", &[bob, alice]).expect(0);
    let bundle = site.bundle(&Spec::small(1, "one"), &[bob]);
    site.run(&["verify", &bundle]).expect(0);
}

#[test]
fn the_first_policy_of_a_host_is_confirmed_by_its_digest() {
    let (site, [alice, bob, _]) = (Site::new(), [key(1), key(2), key(3)]);
    let text = document(7, "policy-threshold = 2\n", &[("alice", &alice), ("bob", &bob)], &[]);
    let sha256 = vgpu_manifest::Digest::of(text.as_bytes()).to_string();
    let file = site.write("stick/policy", signed(&text, &[&alice]).as_bytes()).into_string();
    let update = ["trust", "update", &file];
    site.run(&update).expect(2).says(&["--sha256", &sha256]);
    let other = vgpu_manifest::Digest::of(b"other").to_string();
    site.run(&[&update[..], &["--sha256", &other]].concat()).expect(3).says(&[&other, "swapped"]);
    assert!(!site.path("root/etc/vgpu-offline").exists());
    site.run(&[&update[..], &["--sha256", &sha256]].concat()).expect(0).says(&["version 7"]);
    assert_eq!(policy(&site), text);
    site.run(&[&update[..], &["--sha256", &sha256]].concat())
        .expect(2)
        .says(&["has a policy already"]);
    let junk = site.write("stick/junk", b"junk").into_string();
    let empty = Site::new();
    empty.run(&["trust", "update", &junk, "--sha256", &sha256]).expect(1).says(&["line 1"]);
}

#[test]
fn forgetting_says_that_older_bundles_and_policies_are_accepted_again() {
    let (site, _) = ready();
    site.run(&["forget"]).expect(2).says(&["protection against rollback", "any older bundle"]);
    site.run(&["forget", "--yes"]).expect(0);
    assert!(!site.path("root/etc/vgpu-offline/policy.toml").exists());
}

#[test]
fn a_security_key_is_trusted_by_its_fingerprint_and_signs() {
    let site = Site::new();
    let token = SecurityKey::new(7);
    let file = site.write("stick/token.pub", token.line().as_bytes()).into_string();
    let fingerprint = token.public().fingerprint().to_string();
    let add = ["trust", "add", &file, "--principal", "alice", "--fingerprint", &fingerprint];
    site.run(&[&add[..], &["--namespaces", ROLES]].concat()).expect(0).says(&[&fingerprint]);
    let list = site.run(&["trust", "list"]).expect(0).out;
    assert!(list.contains(&fingerprint), "{list}");

    let agent = TokenAgent::start(token.clone());
    let signer = Agent::connect(agent.socket()).unwrap().signer(&token.public()).unwrap();
    let two = document(2, "", &[("bob", &key(2))], &[]);
    let policies = signed(&two, &[&signer, &key(2)]);
    let bundle = site.bundle(&Spec::small(1, "one"), &[&signer]);
    site.run(&["apply", "--yes", &bundle]).expect(0);
    let bundle = site.bundle(&Spec::small(2, "two").bringing(&policies), &[&key(2)]);
    site.run(&["apply", "--yes", &bundle]).expect(0).says(&["policy 2, signed by alice"]);
    site.run(&["trust", "revoke", "--key", &file]).expect(0).says(&[&fingerprint]);
    let revoked = fs::read_to_string(site.path("root/etc/vgpu-offline/revoked_keys")).unwrap();
    assert!(revoked.starts_with("sk-ssh-ed25519@openssh.com "), "{revoked}");
}
