//! Real keys and signatures of `gpg`, checked with each verifier that is installed.

use camino::Utf8Path;

use super::verify::{Verifier, verify};
use super::{Evidence, Keyring, KeyringError, SignatureError, Signed};
use crate::gpg::{ED25519, Form, Gpg, days_ago};

const TEXT: &str = "Origin: test\nCodename: test\n- dash\n";

/// Calls `test` with a new home of `gpg` for each verifier.
fn with_each(test: impl Fn(&Gpg, Verifier)) {
    for verifier in Verifier::ALL {
        let missing = ["gpg", verifier.name()].into_iter().find(|program| {
            let path = std::env::var_os("PATH").unwrap_or_default();
            !std::env::split_paths(&path).any(|dir| dir.join(program).is_file())
        });
        if let Some(program) = missing {
            assert!(std::env::var_os("VGPU_NO_SKIP").is_none(), "needs {program}");
            eprintln!("skipped: needs {program}");
            continue;
        }
        test(&Gpg::new(), verifier);
    }
}

fn read(bytes: &[u8], pinned: &str) -> Result<Keyring, KeyringError> {
    let dir = tempfile::tempdir().unwrap();
    let path = Utf8Path::from_path(dir.path()).unwrap().join("keys");
    std::fs::write(&path, bytes).unwrap();
    Keyring::read(&path, &[pinned.parse().unwrap()])
}

fn pinning(bytes: &[u8], pinned: &str, verifier: Verifier) -> Keyring {
    let mut ring = read(bytes, pinned).unwrap();
    ring.verifier = verifier;
    ring
}

/// The keyring of these certificates, of which the first is pinned.
fn keyring(gpg: &Gpg, keys: &[&str], verifier: Verifier) -> Keyring {
    pinning(&gpg.export(keys), keys[0], verifier)
}

fn refusal(result: Result<Signed, SignatureError>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn only_what_a_pinned_key_has_signed_is_taken() {
    with_each(|gpg, verifier| {
        let (ours, other) = (&*gpg.key(9, ED25519, &[]), &*gpg.key(9, ED25519, &[]));
        let ring = keyring(gpg, &[ours, other], verifier);
        let inline = gpg.sign(&[ours], Form::Inline, &[], TEXT);
        let signed = verify(Evidence::Inline(&inline), &ring).unwrap();
        // The line end before the signature is not part of the text.
        assert_eq!(signed.text, TEXT.trim_end().as_bytes());
        assert_eq!(signed.notes, [] as [&str; 0]);
        assert_eq!(signed.by.as_str(), gpg.subkey(ours));

        let signature = gpg.sign(&[ours], Form::Detached, &[], TEXT);
        let evidence = Evidence::Detached { text: TEXT.as_bytes(), signature: &signature };
        assert_eq!(verify(evidence, &ring).unwrap().text, TEXT.as_bytes());
        let evidence = Evidence::Detached { text: b"Origin: evil\n", signature: &signature };
        assert!(refusal(verify(evidence, &ring)).contains("is bad"));
        // One of text counts as well.
        let signature = gpg.sign(&[ours], Form::Detached, &["--textmode"], TEXT);
        let evidence = Evidence::Detached { text: TEXT.as_bytes(), signature: &signature };
        assert_eq!(verify(evidence, &ring).unwrap().text, TEXT.as_bytes());

        // Of several, one is enough.
        for keys in [[other, ours], [ours, other]] {
            let both = gpg.sign(&keys, Form::Inline, &[], TEXT);
            let signed = verify(Evidence::Inline(&both), &ring).unwrap();
            assert_eq!(signed.by.as_str(), gpg.subkey(ours));
        }
        // In the keyring, but not pinned.
        let not_pinned = gpg.sign(&[other], Form::Inline, &[], TEXT);
        assert!(refusal(verify(Evidence::Inline(&not_pinned), &ring)).contains("not pinned"));
    });
}

#[test]
fn a_pinned_subkey_counts_alone() {
    with_each(|gpg, verifier| {
        let key = &*gpg.key(9, &ED25519.replace("Usage: cert", "Usage: cert,sign"), &[]);
        let subkey = &*gpg.subkey(key);
        let ring = pinning(&gpg.export(&[key]), subkey, verifier);
        let by_subkey = gpg.sign(&[&format!("{subkey}!")], Form::Inline, &[], TEXT);
        assert_eq!(verify(Evidence::Inline(&by_subkey), &ring).unwrap().by.as_str(), subkey);
        let by_primary = gpg.sign(&[&format!("{key}!")], Form::Inline, &[], TEXT);
        let refused = refusal(verify(Evidence::Inline(&by_primary), &ring));
        assert!(refused.contains(&format!("key {key} is not pinned")), "{refused}");
        let whole = keyring(gpg, &[key], verifier);
        assert_eq!(verify(Evidence::Inline(&by_primary), &whole).unwrap().by.as_str(), key);
    });
}

#[test]
fn every_changed_byte_is_noticed() {
    with_each(|gpg, verifier| {
        let ours = &*gpg.key(9, ED25519, &[]);
        let ring = keyring(gpg, &[ours], verifier);
        let inline = gpg.sign(&[ours], Form::Inline, &[], TEXT);
        let text = verify(Evidence::Inline(&inline), &ring).unwrap().text;
        for at in 0..inline.len() {
            let mut bytes = inline.clone();
            bytes[at] ^= 1;
            // In the armor, some bytes mean the same; but no other text may come out.
            if let Ok(signed) = verify(Evidence::Inline(&bytes), &ring) {
                assert_eq!(signed.text, text, "byte {at}");
            }
            if let Ok(signed) = verify(Evidence::Inline(&inline[..at]), &ring) {
                assert_eq!(signed.text, text, "cut at {at}");
            }
        }
    });
}

#[test]
fn text_around_and_layers_are_refused() {
    with_each(|gpg, verifier| {
        let ours = &*gpg.key(9, ED25519, &[]);
        let ring = keyring(gpg, &[ours], verifier);
        let inline = String::from_utf8(gpg.sign(&[ours], Form::Inline, &[], TEXT)).unwrap();
        for bad in [
            format!("Origin: evil\n{inline}"),
            format!("{inline}Origin: evil\n"),
            format!("{inline}{inline}"),
            TEXT.to_owned(),
        ] {
            let error = verify(Evidence::Inline(bad.as_bytes()), &ring).unwrap_err();
            assert!(matches!(error, SignatureError::Frame(_)), "{error}");
        }
        // A message of OpenPGP's own form, with the text in it, is no detached signature.
        let message = gpg.run(&["--sign", "--compress-algo=none"], TEXT.as_bytes());
        let evidence = Evidence::Detached { text: TEXT.as_bytes(), signature: &message };
        let error = verify(evidence, &ring).unwrap_err();
        assert!(matches!(error, SignatureError::Layers), "{error}");
        for signature in [&b"<html>"[..], b""] {
            let evidence = Evidence::Detached { text: TEXT.as_bytes(), signature };
            let error = verify(evidence, &ring).unwrap_err();
            assert!(matches!(error, SignatureError::Form(_)), "{error}");
        }
    });
}

#[test]
fn weak_hashes_and_keys_do_not_count() {
    const RSA: &str = "Key-Type: rsa\nKey-Length: 1024\nKey-Usage: cert,sign\nExpire-Date: 0\n";
    with_each(|gpg, verifier| {
        let strong = &*gpg.key(9, &RSA.replace("1024", "2048"), &[]);
        let ring = keyring(gpg, &[strong], verifier);
        let of = |form, signed: &[u8], ring: &Keyring| {
            verify(
                match form {
                    Form::Inline => Evidence::Inline(signed),
                    Form::Detached => {
                        Evidence::Detached { text: TEXT.as_bytes(), signature: signed }
                    }
                },
                ring,
            )
        };
        for form in [Form::Inline, Form::Detached] {
            for hash in ["SHA1", "RIPEMD160", "MD5"] {
                let options = ["--allow-weak-digest-algos", "--digest-algo", hash];
                let refused = refusal(of(form, &gpg.sign(&[strong], form, &options, TEXT), &ring));
                assert!(refused.contains(&format!("{hash}, which is weak")), "{refused}");
            }
            let signed = gpg.sign(&[strong], form, &["--digest-algo=SHA224"], TEXT);
            assert!(of(form, &signed, &ring).is_ok());
        }
        // A key whose only binding to itself is weak, and one that is too short.
        let options = ["--allow-weak-digest-algos", "--cert-digest-algo=SHA1"];
        let bound = gpg.key(9, &RSA.replace("1024", "2048"), &options);
        let short = gpg.key(9, RSA, &[]);
        for (key, why) in [(&*bound, "SHA1"), (&short, "is weak: 1024-bit RSA")] {
            let signed = gpg.sign(&[key], Form::Inline, &[], TEXT);
            let ring = keyring(gpg, &[key], verifier);
            let refused = refusal(of(Form::Inline, &signed, &ring));
            assert!(refused.contains(why) || verifier == Verifier::Gpgv, "{refused}");
            assert!(refused.contains(why) || refused.contains("does not hold"), "{refused}");
        }
    });
}

#[test]
fn keys_count_while_they_are_valid_and_not_revoked() {
    with_each(|gpg, verifier| {
        let at = |days| format!("--faked-system-time={}!", days_ago(days));
        let sign = |key: &str, options: &[&str]| gpg.sign(&[key], Form::Inline, options, TEXT);
        let check = |signed: &[u8], key: &str| {
            verify(Evidence::Inline(signed), &keyring(gpg, &[key], verifier))
        };
        // An expired key counts for what it signed before, and gpgv tells of it.
        let key = &*gpg.key(30, &ED25519.replace("Date: 0", "Date: 20d"), &[]);
        let taken = check(&sign(key, &[&at(29)]), key).unwrap();
        match verifier {
            Verifier::Gpgv => assert!(taken.notes[0].contains("has expired"), "{taken:?}"),
            Verifier::Sqv => assert_eq!(taken.notes, [] as [&str; 0]),
        }
        // For nothing that it signed afterwards, which gpg does only while the key is valid.
        let key = &*gpg.key(30, ED25519, &[]);
        let late = sign(key, &[]);
        assert!(check(&late, key).is_ok());
        gpg.run(&[&at(29), "--quick-set-expire", key, "5d"], b"");
        gpg.run(&[&at(29), "--quick-set-expire", key, "5d", "*"], b"");
        assert!(refusal(check(&late, key)).contains(match verifier {
            Verifier::Gpgv => "had expired before it signed",
            Verifier::Sqv => "not live",
        }));
        // Signatures that have expired, that are older than their key, and of the future.
        let key = &*gpg.key(9, ED25519, &[]);
        let expired = sign(key, &[&at(5), "--default-sig-expire=2d"]);
        let why = if verifier == Verifier::Gpgv { "has expired" } else { "Expired on" };
        assert!(refusal(check(&expired, key)).contains(why));
        let early = sign(key, &[&at(20), "--ignore-time-conflict", "--ignore-valid-from"]);
        assert!(refusal(check(&early, key)).contains("is newer than its signature"));
        let future = format!("--faked-system-time={}!", days_ago(0) + 86_400 * 3);
        // As it looks to a machine whose clock is behind; sqv has no option for that.
        match (verifier, check(&sign(key, &[&future]), key)) {
            (Verifier::Gpgv, result) => assert!(result.is_ok()),
            (Verifier::Sqv, result) => assert!(refusal(result).contains("Not live until")),
        }
        // A revoked key counts for nothing.
        let signed = sign(key, &[]);
        let certificate = format!("openpgp-revocs.d/{key}.rev");
        let certificate = std::fs::read_to_string(gpg.home().join(certificate)).unwrap();
        gpg.run(&["--import"], certificate.replace(":---", "---").as_bytes());
        assert!(refusal(check(&signed, key)).contains("revoked"));
    });
}

#[test]
fn a_keyring_may_be_armored_and_have_several_blocks() {
    with_each(|gpg, verifier| {
        let (a, b) = (&*gpg.key(1, ED25519, &[]), &*gpg.key(1, ED25519, &[]));
        let block = |key| gpg.run(&["--armor", "--export", key], b"");
        let armored = [&block(a), &b"and\n"[..], &block(b)].concat();
        let signed = gpg.sign(&[b], Form::Inline, &[], TEXT);
        for bytes in [armored.clone(), gpg.export(&[a, b])] {
            for pinned in [b, &gpg.subkey(b)] {
                let ring = pinning(&bytes, pinned, verifier);
                assert!(verify(Evidence::Inline(&signed), &ring).is_ok());
            }
        }
        let refused = |bytes: &[u8]| read(bytes, &"A".repeat(40)).unwrap_err().to_string();
        let error = refused(&armored);
        assert!(
            error.contains("has no key AAAA") && error.contains(&format!("{a}, {b}")),
            "{error}"
        );
        let binary = gpg.export(&[a]);
        let cut = &binary[..binary.len() - 1];
        let keybox = std::fs::read(gpg.home().join("pubring.kbx")).unwrap();
        let secret = gpg.run(&["--export-secret-keys", a], b"");
        for bad in [&b"<html>"[..], b"", cut, &keybox, &secret, &signed] {
            assert!(refused(bad).contains("is not a keyring"), "{}", refused(bad));
        }
        assert!(refused(&vec![0x99; 5 << 20]).contains("cannot read the keyring"));
        let error = Keyring::read(Utf8Path::new("/nowhere"), &[]).unwrap_err().to_string();
        assert!(error.contains("cannot read the keyring"), "{error}");
    });
}
