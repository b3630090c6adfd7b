//! Signatures, between this crate and the real `ssh-keygen`.

use vgpu_keys::{Role, SLOT_LEN, Signature, SignatureError, Signer, Slots};

use crate::keys::openssh::OpenSsh;
use crate::keys::support::{MESSAGE, Parts, key, refused, sign, string};

const MESSAGES: [&[u8]; 4] = [b"", b"hello\n", MESSAGE, &[0xff; 100_000]];

#[test]
fn both_make_the_same_bytes_from_the_same_key() {
    let Some(tools) = OpenSsh::find() else { return };
    tools.write("ours", key(1).to_openssh(None).unwrap().as_bytes());
    tools.make_key("theirs", &["-t", "ed25519", "-N", ""]);

    for (name, key) in [("ours", key(1)), ("theirs", tools.key_file("theirs"))] {
        for role in Role::ALL {
            for message in MESSAGES {
                let theirs = tools.sign(name, role, &[], message);
                let ours = key.sign(role, message).unwrap();
                assert_eq!(ours.to_armor().as_bytes(), theirs, "{role} of {name}");
                assert_eq!(Signature::from_armor(&theirs), Ok(ours));
            }
        }
    }
}

#[test]
fn we_verify_what_they_sign_and_nothing_else() {
    let Some(tools) = OpenSsh::find() else { return };
    tools.make_key("key", &["-t", "ed25519", "-N", ""]);
    let signature = tools.sign("key", Role::Bundle, &[], MESSAGE);
    let signature = Signature::from_armor(&signature).unwrap();

    assert_eq!(signature.key(), tools.key_file("key").public_key());
    assert_eq!(signature.verify(Role::Bundle, MESSAGE), Ok(()));
    assert_eq!(signature.verify(Role::Bundle, b"other"), Err(SignatureError::Invalid));
    for role in [Role::Installer, Role::Policy, Role::Report] {
        refused(signature.verify(role, MESSAGE), "wrong namespace: it is for vgpu-bundle");
    }
}

#[test]
fn they_verify_what_we_sign_and_nothing_else() {
    let Some(tools) = OpenSsh::find() else { return };
    for role in Role::ALL {
        tools.write("sig", sign(1, role).to_armor());
        let check = |namespace: &str, message: &[u8]| {
            tools.keygen(&["-Y", "check-novalidate", "-n", namespace, "-s", "sig"], message)
        };
        let said = check(role.namespace(), MESSAGE);
        let fingerprint = key(1).public_key().fingerprint().to_string();
        assert!(said.good && said.said.contains(&fingerprint), "{}", said.said);
        assert!(!check(role.namespace(), b"other").good);
        assert!(!check("file", MESSAGE).good);
    }
}

/// Input as the stock recipe extracts it with `dd`: a signature, and newlines up to 512 bytes.
#[test]
fn they_verify_a_slot_as_it_stands_in_a_bundle() {
    let Some(tools) = OpenSsh::find() else { return };
    let mut slots = Slots::default();
    for seed in 1..=8 {
        slots.add(sign(seed, Role::Bundle)).unwrap();
    }
    let bytes = slots.to_bytes();
    for (seed, slot) in (1..).zip(bytes.chunks_exact(SLOT_LEN)) {
        tools.write("slot", slot);
        let args = ["-Y", "check-novalidate", "-n", "vgpu-bundle", "-s", "slot"];
        let ran = tools.keygen(&args, MESSAGE);
        let fingerprint = key(seed).public_key().fingerprint().to_string();
        assert!(ran.good && ran.said.contains(&fingerprint), "{}", ran.said);
    }
}

#[test]
fn the_prehash_must_be_sha512() {
    let Some(tools) = OpenSsh::find() else { return };
    tools.make_key("key", &["-t", "ed25519", "-N", ""]);
    let signature = tools.sign("key", Role::Bundle, &["-O", "hashalg=sha256"], MESSAGE);
    refused(Signature::from_armor(&signature), "`sha256`");
    let signature = tools.sign("key", Role::Bundle, &["-O", "hashalg=sha512"], MESSAGE);
    assert!(Signature::from_armor(&signature).is_ok());
}

#[test]
fn an_unknown_namespace_is_named() {
    let Some(tools) = OpenSsh::find() else { return };
    tools.make_key("key", &["-t", "ed25519", "-N", ""]);
    for namespace in ["file", "git", "vgpu", "vgpu-bundle2"] {
        let args = ["-Y", "sign", "-f", "key", "-n", namespace];
        let signature = tools.keygen(&args, MESSAGE).ok();
        refused(Signature::from_armor(&signature), &format!("`{namespace}` is unknown"));
    }
}

#[test]
fn keys_of_other_types_are_named() {
    let Some(tools) = OpenSsh::find() else { return };
    for (args, name) in [
        (["-t", "rsa", "-b", "2048"], "`ssh-rsa` is not accepted"),
        (["-t", "ecdsa", "-b", "256"], "`ecdsa-sha2-nistp256` is not accepted"),
        (["-t", "ecdsa", "-b", "521"], "`ecdsa-sha2-nistp521` is not accepted"),
    ] {
        let file = format!("{}{}", args[1], args[3]);
        tools.make_key(&file, &[&args[..], &["-N", ""]].concat());
        let signature = tools.sign(&file, Role::Bundle, &[], MESSAGE);
        refused(Signature::from_armor(&signature), name);

        let public = String::from_utf8(tools.read(&format!("{file}.pub"))).unwrap();
        refused(public.parse::<vgpu_keys::PublicKey>(), name);
    }
}

/// An ECDSA key on a security key, following `PROTOCOL.u2f`.
#[test]
fn a_security_key_of_another_type_is_named() {
    let good = Parts::good();
    let name = b"sk-ecdsa-sha2-nistp256@openssh.com";
    let point = [string(b"nistp256"), string(&[4; 65]), string(b"ssh:")].concat();
    let security_key = Parts {
        key: [string(name), point].concat(),
        signature: [&string(name)[..], &string(&[2; 70]), &[1, 0, 0, 0, 7]].concat(),
        ..good.clone()
    };
    let words = "`sk-ecdsa-sha2-nistp256@openssh.com` is not accepted";
    refused(Signature::from_armor(security_key.armor().as_bytes()), words);

    let only_signature = Parts { key: good.key, ..security_key };
    let words = "has type `sk-ecdsa-sha2-nistp256@openssh.com`";
    refused(Signature::from_armor(only_signature.armor().as_bytes()), words);
}
