//! Canonical form: each signature has exactly one text.

use vgpu_keys::{Role, Signature};

use crate::keys::openssh::OpenSsh;
use crate::keys::support::{MESSAGE, Parts, armor, dearmor, public, refused, sign, string};

/// Checks whether `armor` is accepted and verifies.
fn holds(armor: &[u8]) -> bool {
    Signature::from_armor(armor).is_ok_and(|s| s.verify(Role::Bundle, MESSAGE).is_ok())
}

#[test]
fn every_flipped_bit_of_the_binary_signature_is_refused() {
    let blob = Parts::good().blob();
    assert!(holds(armor(&blob, 70).as_bytes()));
    for at in 0..blob.len() {
        for bit in 0..8 {
            let mut bad = blob.clone();
            bad[at] ^= 1 << bit;
            assert!(!holds(armor(&bad, 70).as_bytes()), "bit {bit} of byte {at}");
        }
    }
}

#[test]
fn every_flipped_bit_of_the_text_is_refused() {
    let good = sign(1, Role::Bundle).to_armor().into_bytes();
    for at in 0..good.len() {
        for bit in 0..8 {
            let mut bad = good.clone();
            bad[at] ^= 1 << bit;
            assert!(!holds(&bad), "bit {bit} of byte {at}");
        }
    }
}

#[test]
fn every_truncation_of_text_and_binary_is_refused() {
    let good = sign(1, Role::Bundle).to_armor().into_bytes();
    for len in 0..good.len() {
        assert!(Signature::from_armor(&good[..len]).is_err(), "text cut at {len}");
        assert!(Signature::from_armor(&good[len + 1..]).is_err(), "text from {}", len + 1);
    }
    let blob = Parts::good().blob();
    for len in 0..blob.len() {
        assert!(Signature::from_armor(armor(&blob[..len], 70).as_bytes()).is_err(), "cut at {len}");
    }
    refused(Signature::from_armor(armor(&blob[..100], 70).as_bytes()), "is truncated");
}

#[test]
fn every_byte_removed_or_added_is_refused() {
    let good = sign(1, Role::Bundle).to_armor().into_bytes();
    for at in 0..=good.len() {
        for byte in *b"\n\r\t =A-\0\xff" {
            let mut bad = good.clone();
            bad.insert(at, byte);
            assert!(bad == good || !holds(&bad), "{byte:#x} added at {at}");
        }
        if at < good.len() {
            let mut bad = good.clone();
            bad.remove(at);
            assert!(!holds(&bad), "byte {at} removed");
        }
    }
}

/// Variants of the same signature, as mail programs, editors and other tools write them. The real
/// `ssh-keygen` accepts some of them; the library must not count them as a second signature.
#[test]
fn armor_that_another_program_would_write_is_refused() {
    let good = sign(1, Role::Bundle).to_armor();
    let blob = dearmor(&good);
    for columns in [64, 69, 71, 76, 1000] {
        let bad = armor(&blob, columns);
        refused(Signature::from_armor(bad.as_bytes()), "not as `ssh-keygen -Y sign` writes it");
    }
    for bad in [
        good.replace('\n', "\r\n"),
        good.replace('\n', " \n"),
        good.replace("-----\n", "-----\n\n"),
        good.replace("U1NI", "U1N I"),
        format!(" {good}"),
        format!("\n{good}"),
        format!("{good}\n"),
        format!("{good} "),
        good.trim_end().to_owned(),
    ] {
        refused(Signature::from_armor(bad.as_bytes()), "not as `ssh-keygen -Y sign` writes it");
    }
    refused(Signature::from_armor(format!("{good}x").as_bytes()), "END SSH SIGNATURE");
    refused(Signature::from_armor(format!("x{good}").as_bytes()), "BEGIN SSH SIGNATURE");
    refused(Signature::from_armor((good.clone() + &good).as_bytes()), "not base64");
    refused(Signature::from_armor(good.replace("SIGNATURE", "signature").as_bytes()), "BEGIN");
    refused(Signature::from_armor(good.replace("U1NI", "U1N!").as_bytes()), "not base64");
    refused(Signature::from_armor(b""), "BEGIN SSH SIGNATURE");
    refused(Signature::from_armor(&vec![b'A'; 70_000]), "longer than");
}

#[test]
fn spare_bits_in_the_last_character_are_refused() {
    let good = sign(1, Role::Policy).to_armor();
    let end = good.find("==\n").unwrap();
    let last = good.as_bytes()[end - 1];
    let mut bad = good.into_bytes();
    // Four bits of this character are unused, and zero.
    bad[end - 1] = last + 1;
    refused(Signature::from_armor(&bad), "not base64");
}

#[test]
fn every_field_has_one_value_that_is_accepted() {
    let good = Parts::good();
    let says =
        |parts: &Parts, words| refused(Signature::from_armor(parts.armor().as_bytes()), words);

    says(&Parts { magic: b"SSHSIX".to_vec(), ..good.clone() }, "does not contain an SSH signature");
    says(&Parts { magic: b"".to_vec(), ..good.clone() }, "does not contain an SSH signature");
    says(&Parts { version: 0, ..good.clone() }, "has format 0");
    says(&Parts { version: 2, ..good.clone() }, "has format 2");
    says(&Parts { namespace: b"".to_vec(), ..good.clone() }, "wrong namespace");
    says(&Parts { namespace: b"vgpu-bundle\0".to_vec(), ..good.clone() }, "wrong namespace");
    says(&Parts { namespace: b"\x1b[2Jvgpu".to_vec(), ..good.clone() }, "\\u{1b}[2Jvgpu");
    says(&Parts { reserved: b"\0".to_vec(), ..good.clone() }, "reserved field");
    says(&Parts { reserved: b"hidden".to_vec(), ..good.clone() }, "reserved field");
    says(&Parts { hash: b"sha256".to_vec(), ..good.clone() }, "`sha256`");
    says(&Parts { hash: b"SHA512".to_vec(), ..good.clone() }, "`SHA512`");
    says(&Parts { after: b"\0".to_vec(), ..good.clone() }, "followed by bytes");

    let mut key = good.key.clone();
    key.push(0);
    says(&Parts { key, ..good.clone() }, "followed by bytes");
    let key = [string(b"ssh-ed25519"), string(&[0; 32])].concat();
    says(&Parts { key, ..good.clone() }, "not a valid Ed25519 point");

    for (len, words) in [(63, "is truncated"), (65, "followed by bytes"), (0, "is truncated")] {
        let signature = [string(b"ssh-ed25519"), string(&vec![1; len])].concat();
        says(&Parts { signature, ..good.clone() }, words);
    }
    let signature = [good.signature.clone(), b"\0".to_vec()].concat();
    says(&Parts { signature, ..good }, "followed by bytes");
}

/// Adding the group order to the second half of a signature gives another one that a lax check
/// would accept.
#[test]
fn a_malleated_signature_is_refused() {
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut parts = Parts::good();
    let half = parts.signature.len() - 32;
    let mut carry = 0;
    for (byte, add) in parts.signature[half..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        *byte = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
    assert_eq!(carry, 0);
    let signature = Signature::from_armor(parts.armor().as_bytes()).unwrap();
    refused(signature.verify(Role::Bundle, MESSAGE), "is invalid");
}

/// A comparison of the armor with `ssh-keygen`: the library is at least as strict.
#[test]
fn ssh_keygen_takes_nothing_that_we_call_tampered_with_but_other_line_breaks() {
    let Some(tools) = OpenSsh::find() else { return };
    let takes = |armor: &[u8]| {
        tools.write("sig", armor);
        let args = ["-Y", "check-novalidate", "-n", "vgpu-bundle", "-s", "sig"];
        tools.keygen(&args, MESSAGE).good
    };
    let good = Parts::good();
    assert!(takes(good.armor().as_bytes()));
    assert!(takes(armor(&good.blob(), 64).as_bytes()), "it is we who are stricter here");
    assert!(!takes(Parts { hash: b"md5".to_vec(), ..good.clone() }.armor().as_bytes()));
    assert!(!takes(Parts { version: 2, ..good.clone() }.armor().as_bytes()));
    let signed_by_another = Parts { key: public(2).to_wire(), ..good };
    assert!(!takes(signed_by_another.armor().as_bytes()));
    assert!(!holds(signed_by_another.armor().as_bytes()));
}
