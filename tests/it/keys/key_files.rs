//! Private keys, between this crate and the real `ssh-keygen`.

use std::io;

use vgpu_keys::{KeyFile, KeyFileError, Role, Signer};
use zeroize::Zeroizing;

use crate::keys::openssh::OpenSsh;
use crate::keys::support::{MESSAGE, key, refused, string};

fn plain(file: &[u8]) -> Result<KeyFile, KeyFileError> {
    KeyFile::parse(file, &mut || panic!("asked for a passphrase"))
}

fn with_passphrase(file: &[u8], passphrase: &str) -> Result<KeyFile, KeyFileError> {
    KeyFile::parse(file, &mut || Ok(Zeroizing::new(passphrase.to_owned())))
}

#[test]
fn we_read_what_they_write() {
    let Some(tools) = OpenSsh::find() else { return };
    tools.make_key("plain", &["-t", "ed25519", "-N", ""]);
    tools.make_key("sealed", &["-t", "ed25519", "-N", "correct horse"]);
    tools.make_key("quick", &["-t", "ed25519", "-N", "ünïcödé", "-a", "1"]);

    let keys = [
        ("plain", plain(&tools.read("plain"))),
        ("sealed", with_passphrase(&tools.read("sealed"), "correct horse")),
        ("quick", with_passphrase(&tools.read("quick"), "ünïcödé")),
    ];
    for (name, key) in keys {
        let key = key.unwrap();
        assert_eq!(key.comment(), "made by ssh-keygen");
        assert_eq!(key.public_line().as_bytes(), tools.read(&format!("{name}.pub")));
        let listed = tools.keygen(&["-l", "-f", &format!("{name}.pub")], b"").ok();
        let fingerprint = key.public_key().fingerprint().to_string();
        assert!(String::from_utf8(listed).unwrap().contains(&fingerprint));
    }
    for wrong in ["", "correct horse ", "Correct horse"] {
        assert!(with_passphrase(&tools.read("sealed"), wrong).is_err(), "{wrong:?}");
    }
    refused(with_passphrase(&tools.read("quick"), "wrong"), "wrong passphrase");
}

#[test]
fn they_read_what_we_write() {
    let Some(tools) = OpenSsh::find() else { return };
    for comment in ["", "a", "alice@laptop", "with spaces ü", &"x".repeat(255)] {
        let key = KeyFile::generate(comment).unwrap();
        tools.write("plain", key.to_openssh(None).unwrap().as_bytes());
        tools.write("sealed", key.to_openssh(Some("pass word")).unwrap().as_bytes());
        for (file, passphrase) in [("plain", ""), ("sealed", "pass word")] {
            let public = tools.keygen(&["-y", "-P", passphrase, "-f", file], b"").ok();
            assert_eq!(String::from_utf8(public).unwrap(), key.public_line(), "{file}");
        }
        assert!(!tools.keygen(&["-y", "-P", "wrong", "-f", "sealed"], b"").good);
        let again = with_passphrase(&tools.read("sealed"), "pass word").unwrap();
        assert_eq!(again.public_line(), key.public_line());
    }
}

/// `ssh-keygen` changes the passphrase of a key of this crate, which then reads the result.
#[test]
fn a_key_survives_a_change_of_passphrase() {
    let Some(tools) = OpenSsh::find() else { return };
    let ours = key(1);
    tools.write("key", ours.to_openssh(Some("old")).unwrap().as_bytes());
    tools.keygen(&["-q", "-p", "-P", "old", "-N", "new", "-a", "2", "-f", "key"], b"").ok();
    let theirs = with_passphrase(&tools.read("key"), "new").unwrap();
    assert_eq!(theirs.public_key(), ours.public_key());
    let signatures = [&theirs, &ours].map(|key| key.sign(Role::Policy, MESSAGE).unwrap());
    assert_eq!(signatures[0], signatures[1]);
    assert!(with_passphrase(&tools.read("key"), "old").is_err());
}

#[test]
fn keys_and_files_of_other_kinds_are_named() {
    let Some(tools) = OpenSsh::find() else { return };
    tools.make_key("rsa", &["-t", "rsa", "-b", "2048", "-N", ""]);
    tools.make_key("ecdsa", &["-t", "ecdsa", "-N", "secret"]);
    tools.make_key("pem", &["-t", "ecdsa", "-m", "PEM", "-N", ""]);
    tools.make_key("gcm", &["-t", "ed25519", "-N", "x", "-Z", "aes256-gcm@openssh.com", "-a", "1"]);
    tools.make_key("cbc", &["-t", "ed25519", "-N", "x", "-Z", "aes128-cbc", "-a", "1"]);

    refused(plain(&tools.read("rsa")), "`ssh-rsa` is not accepted");
    refused(plain(&tools.read("ecdsa")), "`ecdsa-sha2-nistp256` is not accepted");
    refused(plain(&tools.read("pem")), "not in OpenSSH's own format");
    refused(plain(&tools.read("gcm")), "`aes256-gcm@openssh.com`, and only aes256-ctr");
    refused(plain(&tools.read("cbc")), "`aes128-cbc`, and only aes256-ctr");
    refused(plain(&tools.read("gcm.pub")), "this is a public key");
    refused(plain(b"hello"), "BEGIN OPENSSH PRIVATE KEY");
    refused(plain(b""), "BEGIN OPENSSH PRIVATE KEY");

    // The command that the message suggests works.
    let rewrite = ["-q", "-p", "-P", "x", "-N", "x", "-Z", "aes256-ctr", "-a", "1", "-f", "gcm"];
    tools.keygen(&rewrite, b"").ok();
    assert!(with_passphrase(&tools.read("gcm"), "x").is_ok());
}

#[test]
fn a_file_cannot_keep_us_busy_with_rounds() {
    let file = |rounds: u32| {
        let options = [string(&[7; 16]), rounds.to_be_bytes().to_vec()].concat();
        let blob = [
            b"openssh-key-v1\0".to_vec(),
            string(b"aes256-ctr"),
            string(b"bcrypt"),
            string(&options),
            1_u32.to_be_bytes().to_vec(),
            string(&key(1).public_key().to_wire()),
            string(&[0; 160]),
        ];
        crate::keys::support::armor(&blob.concat(), 70)
            .replace("SSH SIGNATURE", "OPENSSH PRIVATE KEY")
    };
    for rounds in [1025, u32::MAX] {
        refused(plain(file(rounds).as_bytes()), &format!("{rounds} rounds"));
    }
    refused(plain(file(0).as_bytes()), "rounds is missing");
    refused(with_passphrase(file(1).as_bytes(), "x"), "wrong passphrase");
}

#[test]
fn a_passphrase_is_asked_for_once_and_only_if_needed() {
    let sealed = key(1).to_openssh(Some("x")).unwrap();
    let mut asked = 0;
    let result = KeyFile::parse(sealed.as_bytes(), &mut || {
        asked += 1;
        Err(io::Error::other("no terminal"))
    });
    refused(result, "no passphrase for the private key: no terminal");
    assert_eq!(asked, 1);
    assert!(plain(key(1).to_openssh(None).unwrap().as_bytes()).is_ok());
    refused(key(1).to_openssh(Some("")), "passphrase is empty");
    assert_ne!(*sealed, *key(1).to_openssh(Some("x")).unwrap(), "the salt is another one");
}

/// Bit by bit: either the same key is read, or none. A wrong public half next to the secret must
/// never be used.
#[test]
fn a_damaged_file_gives_the_same_key_or_none() {
    let good = key(1);
    let text = good.to_openssh(None).unwrap();
    let base64: String = text.lines().filter(|line| !line.starts_with('-')).collect();
    let blob = <base64ct::Base64 as base64ct::Encoding>::decode_vec(&base64).unwrap();
    let armored = |blob: &[u8]| {
        crate::keys::support::armor(blob, 70).replace("SSH SIGNATURE", "OPENSSH PRIVATE KEY")
    };
    let mut survivors = 0;
    for at in 0..blob.len() {
        assert!(plain(armored(&blob[..at]).as_bytes()).is_err(), "cut at {at}");
        for bit in 0..8 {
            let mut bad = blob.clone();
            bad[at] ^= 1 << bit;
            if let Ok(key) = plain(armored(&bad).as_bytes()) {
                assert_eq!(key.public_key(), good.public_key(), "bit {bit} of byte {at}");
                survivors += 1;
            }
        }
    }
    // Only the comment can change: its 32 bits, and the one bit of its length that includes the
    // single byte of padding.
    assert_eq!(survivors, 33);
}

#[test]
fn nothing_secret_is_shown() {
    let key = key(0xab);
    let shown = format!("{key:?}");
    assert!(shown.contains("ssh-ed25519") && shown.contains("test"), "{shown}");
    assert!(!shown.contains("171, 171") && !shown.to_lowercase().contains("abab"), "{shown}");
}

#[test]
fn a_comment_is_one_line() {
    for bad in ["a\nb", "a\rb", "\x1b[2J", &"x".repeat(256)] {
        refused(KeyFile::generate(bad), "comment");
    }
    assert_ne!(
        KeyFile::generate("a").unwrap().public_key(),
        KeyFile::generate("a").unwrap().public_key()
    );
}
