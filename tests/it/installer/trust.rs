use std::fs;

use vgpu_keys::{Role, Signer as _};

use crate::installer::fixture::{Site, Spec, key};

#[test]
fn without_a_terminal_a_key_needs_its_fingerprint() {
    let (site, alice) = (Site::new(), key(1));
    let file = site.public(&alice, "alice");
    let add = ["trust", "add", &file, "--principal", "alice"];
    let fingerprint = alice.public_key().fingerprint().to_string();
    site.run(&add).expect(2).says(&["--fingerprint", &fingerprint]);

    let other = key(2).public_key().fingerprint().to_string();
    site.run(&[&add[..], &["--fingerprint", &other]].concat()).expect(3).says(&[
        &fingerprint,
        &other,
        "swapped",
    ]);
    assert!(!site.path("root/etc/vgpu-offline").exists());
    assert!(!site.path("root/var").exists(), "a refusal leaves nothing behind");

    site.run(&[&add[..], &["--fingerprint", &fingerprint]].concat()).expect(0);
    let policy = fs::read_to_string(site.path("root/etc/vgpu-offline/policy.toml")).unwrap();
    assert!(policy.contains("version = 1\nthreshold = 1\nchannels = [\"stable\"]\n"), "{policy}");
    let line = format!("alice namespaces=\"vgpu-bundle\" {}\n", alice.public_key());
    let signers = site.path("root/etc/vgpu-offline/allowed_signers");
    assert_eq!(fs::read_to_string(signers).unwrap(), line);
}

#[test]
fn what_is_no_public_key_is_named() {
    let site = Site::new();
    let secret = key(1).to_openssh(None).unwrap();
    let secret = site.write("stick/id", secret.as_bytes());
    site.run(&["trust", "add", secret.as_str(), "--principal", "a"])
        .expect(2)
        .says(&["private key", ".pub"]);
    let junk = site.write("stick/junk", b"ssh-rsa AAAA\n");
    site.run(&["trust", "add", junk.as_str(), "--principal", "a"])
        .expect(1)
        .says(&["only ssh-ed25519"]);
    site.run(&["trust", "add", "/nowhere", "--principal", "a"]).expect(1).says(&["/nowhere"]);
    site.run(&["trust", "add", junk.as_str(), "--principal", "a b"]).expect(2);
}

#[test]
fn principals_are_added_removed_and_revoked_one_version_at_a_time() {
    let (site, [alice, bob, carol]) = (Site::new(), [key(1), key(2), key(3)]);
    site.trust(&alice, "alice", &["--threshold", "2"]).expect(1).says(&["threshold"]);
    site.trust(&alice, "alice", &["--channel", "pve-8"]).expect(0);
    site.trust(&bob, "bob", &["--threshold", "2", "--channel", "edge"]).expect(0);
    site.trust(&bob, "bob", &["--namespaces", "vgpu-policy,vgpu-report"]).expect(0);
    site.trust(&bob, "mallory", &[]).expect(1).says(&["two principals"]);

    let list = site.run(&["trust", "list", "--json"]).expect(0).json();
    assert_eq!((&list["version"], &list["threshold"]), (&3.into(), &2.into()));
    assert_eq!(list["channels"][0]["name"], "edge");
    assert_eq!(list["signers"][1]["namespaces"][2], "vgpu-report");

    site.run(&["trust", "remove", "bob"]).expect(1).says(&["2", "hint:", "--threshold"]);
    site.run(&["trust", "remove", "mallory"]).expect(2).says(&["mallory"]);
    site.trust(&carol, "carol", &[]).expect(0);
    let fingerprint = bob.public_key().fingerprint().to_string();
    site.run(&["trust", "remove", &fingerprint]).expect(0).says(&["bob", &fingerprint]);
    site.run(&["trust", "revoke", "alice", "--threshold", "1"]).expect(0);
    site.trust(&alice, "alice", &[]).expect(2).says(&["revoked"]);

    let shown = site.run(&["trust", "list"]).expect(0).out;
    assert!(shown.contains("REVOKED") && shown.contains("carol"), "{shown}");
    let revoked = fs::read_to_string(site.path("root/etc/vgpu-offline/revoked_keys")).unwrap();
    assert_eq!(revoked, format!("{}\n", alice.public_key()));
    let log = fs::read_to_string(site.path("root/var/lib/vgpu-offline/trust.log")).unwrap();
    assert_eq!(log.lines().count(), 6, "{log}");
    assert!(log.lines().last().unwrap().contains("revoke SHA256:"), "{log}");
}

#[test]
fn a_policy_is_replaced_by_one_that_both_sides_have_signed() {
    let (site, [alice, bob]) = (Site::new(), [key(1), key(2)]);
    site.trust(&alice, "alice", &["--namespaces", "vgpu-bundle,vgpu-policy"]).expect(0);
    let next = format!(
        "# signed elsewhere\nversion = 2\nthreshold = 1\nchannels = ['edge']\nrevoked = ''\n\
         signers = '''\nbob namespaces=\"vgpu-bundle,vgpu-policy\" {}\n'''\n",
        bob.public_key(),
    );
    let policy = site.write("stick/policy.toml", next.as_bytes());
    let sign = |key: &vgpu_keys::KeyFile, name: &str| {
        let signature = key.sign(Role::Policy, next.as_bytes()).unwrap().to_armor();
        site.write(&format!("stick/{name}.sig"), signature.as_bytes()).into_string()
    };
    let (by_alice, by_bob) = (sign(&alice, "alice"), sign(&bob, "bob"));
    let update = ["trust", "update", policy.as_str()];
    site.run(&[&update[..], &[&by_alice]].concat())
        .expect(3)
        .says(&["too few signers of the new policy"]);
    site.run(&[&update[..], &[&by_bob]].concat())
        .expect(3)
        .says(&["too few signers of the current policy"]);
    site.run(&[&update[..], &[&by_alice, &by_bob]].concat()).expect(0);
    let stored = fs::read_to_string(site.path("root/etc/vgpu-offline/policy.toml")).unwrap();
    assert_eq!(stored, next, "byte for byte what was signed");
    site.run(&[&update[..], &[&by_alice, &by_bob]].concat()).expect(3);
}

#[test]
fn a_policy_that_others_may_write_is_not_relied_on() {
    use std::os::unix::fs::PermissionsExt as _;
    let (site, alice) = (Site::new(), key(1));
    site.trust(&alice, "alice", &[]).expect(0);
    let bundle = site.bundle(&Spec::small(1, "x"), &[&alice]);
    let policy = site.path("root/etc/vgpu-offline/policy.toml");
    fs::set_permissions(&policy, fs::Permissions::from_mode(0o666)).unwrap();
    site.run(&["verify", &bundle]).expect(3).says(&["users other than root"]);
    fs::set_permissions(&policy, fs::Permissions::from_mode(0o644)).unwrap();
    site.run(&["verify", &bundle]).expect(0);
}
