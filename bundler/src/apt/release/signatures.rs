use std::io::Write as _;
use std::time::{Duration, SystemTime};

use camino::Utf8Path;
use openpgp::Cert;
use openpgp::armor;
use openpgp::cert::CertBuilder;
use openpgp::packet::signature::SignatureBuilder;
use openpgp::policy::StandardPolicy;
use openpgp::serialize::Serialize as _;
use openpgp::serialize::stream::{Armorer, Message, Signer};
use openpgp::types::{HashAlgorithm, ReasonForRevocation, SignatureType};
use sequoia_openpgp as openpgp;
use vgpu_manifest::package::Fingerprint;

use super::verify::verify;
use super::{Evidence, Keyring, SignatureError};

const TEXT: &str = "Origin: test\nCodename: test\n- dash\n";

/// A key with a subkey that signs, made some days ago.
fn key(days: u64) -> Cert {
    let made = SystemTime::now() - Duration::from_hours(24 * days);
    let builder = CertBuilder::general_purpose(Some("archive <a@example.org>"));
    builder.set_creation_time(made).generate().unwrap().0
}

fn fingerprint(cert: &Cert) -> Fingerprint {
    cert.fingerprint().to_hex().parse().unwrap()
}

/// The keyring of these certificates, of which the first is pinned.
fn keyring(certs: &[&Cert]) -> Keyring {
    let mut bytes = Vec::new();
    for cert in certs {
        cert.serialize(&mut bytes).unwrap();
    }
    let dir = tempfile::tempdir().unwrap();
    let path = Utf8Path::from_path(dir.path()).unwrap().join("keys.gpg");
    std::fs::write(&path, bytes).unwrap();
    Keyring::read(&path, &[fingerprint(certs[0])]).unwrap()
}

#[derive(Clone, Copy, PartialEq)]
enum Form {
    Clear,
    Detached,
}

fn sign(text: &str, keys: &[&Cert], hash: HashAlgorithm, form: Form) -> Vec<u8> {
    let policy = StandardPolicy::new();
    let mut out = Vec::new();
    let mut message = Message::new(&mut out);
    if form == Form::Detached {
        message = Armorer::new(message).kind(armor::Kind::Signature).build().unwrap();
    }
    let mut signers = keys.iter().map(|cert| {
        let key = cert.keys().secret().with_policy(&policy, None).for_signing().next().unwrap();
        key.key().clone().into_keypair().unwrap()
    });
    let builder = SignatureBuilder::new(SignatureType::Text);
    let mut signer = Signer::with_template(message, signers.next().unwrap(), builder)
        .unwrap()
        .hash_algo(hash)
        .unwrap();
    for key in signers {
        signer = signer.add_signer(key).unwrap();
    }
    signer = if form == Form::Clear { signer.cleartext() } else { signer.detached() };
    let mut message = signer.build().unwrap();
    message.write_all(text.as_bytes()).unwrap();
    message.finalize().unwrap();
    out
}

fn said(result: Result<super::Signed, SignatureError>) -> String {
    result.unwrap_err().to_string()
}

const SHA512: HashAlgorithm = HashAlgorithm::SHA512;

#[test]
fn what_a_pinned_key_has_signed_is_taken_and_nothing_else() {
    let (ours, other) = (key(9), key(9));
    let ring = keyring(&[&ours, &other]);
    let inline = sign(TEXT, &[&ours], SHA512, Form::Clear);
    let signed = verify(Evidence::Inline(&inline), &ring).unwrap();
    // The line end before the signature is not part of the text.
    assert_eq!(String::from_utf8(signed.text).unwrap().trim_end(), TEXT.trim_end());
    assert_eq!(signed.notes, [] as [&str; 0]);
    let of_ours =
        |by: &Fingerprint| ours.keys().any(|key| key.key().fingerprint().to_hex() == by.as_str());
    assert!(of_ours(&signed.by));

    let signature = sign(TEXT, &[&ours], SHA512, Form::Detached);
    let evidence = Evidence::Detached { text: TEXT.as_bytes(), signature: &signature };
    assert_eq!(verify(evidence, &ring).unwrap().text, TEXT.as_bytes());
    let evidence = Evidence::Detached { text: b"Origin: evil\n", signature: &signature };
    assert!(said(verify(evidence, &ring)).contains("is bad"));

    // Of several, one is enough.
    let both = sign(TEXT, &[&other, &ours], SHA512, Form::Clear);
    assert!(of_ours(&verify(Evidence::Inline(&both), &ring).unwrap().by));
    // In the keyring, but not pinned.
    let not_pinned = sign(TEXT, &[&other], SHA512, Form::Clear);
    assert!(said(verify(Evidence::Inline(&not_pinned), &ring)).contains("not pinned"));
}

#[test]
fn every_changed_byte_is_noticed() {
    let ours = key(9);
    let ring = keyring(&[&ours]);
    let inline = sign(TEXT, &[&ours], SHA512, Form::Clear);
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
}

#[test]
fn text_around_and_layers_are_refused() {
    let ours = key(9);
    let ring = keyring(&[&ours]);
    let inline = String::from_utf8(sign(TEXT, &[&ours], SHA512, Form::Clear)).unwrap();
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
    let mut message = Vec::new();
    let policy = StandardPolicy::new();
    let pair = ours.keys().secret().with_policy(&policy, None).for_signing().next().unwrap();
    let pair = pair.key().clone().into_keypair().unwrap();
    let signer = Signer::new(Message::new(&mut message), pair).unwrap().build().unwrap();
    let mut writer = openpgp::serialize::stream::LiteralWriter::new(signer).build().unwrap();
    writer.write_all(TEXT.as_bytes()).unwrap();
    writer.finalize().unwrap();
    let evidence = Evidence::Detached { text: TEXT.as_bytes(), signature: &message };
    assert!(matches!(verify(evidence, &ring), Err(SignatureError::Layers)));
    let evidence = Evidence::Detached { text: TEXT.as_bytes(), signature: b"<html>" };
    assert!(matches!(
        verify(evidence, &ring),
        Err(SignatureError::Form(_) | SignatureError::Layers)
    ));
}

#[test]
fn weak_hashes_do_not_count() {
    let ours = key(9);
    let ring = keyring(&[&ours]);
    for form in [Form::Clear, Form::Detached] {
        let signed = sign(TEXT, &[&ours], HashAlgorithm::SHA1, form);
        let evidence = match form {
            Form::Clear => Evidence::Inline(&signed),
            Form::Detached => Evidence::Detached { text: TEXT.as_bytes(), signature: &signed },
        };
        let said = said(verify(evidence, &ring));
        assert!(said.contains("SHA1"), "{said}");
    }
}

#[test]
fn an_expired_key_counts_with_a_word_and_a_revoked_one_does_not() {
    let old = SystemTime::now() - Duration::from_hours(24 * 30);
    let (cert, _) = CertBuilder::general_purpose(Some("archive <a@example.org>"))
        .set_creation_time(old)
        .set_validity_period(Duration::from_hours(24 * 20))
        .generate()
        .unwrap();
    let policy = StandardPolicy::new();
    let then = old + Duration::from_hours(24);
    let pair = cert.keys().secret().with_policy(&policy, then).for_signing().next().unwrap();
    let pair = pair.key().clone().into_keypair().unwrap();
    let mut out = Vec::new();
    let signer = Signer::new(Message::new(&mut out), pair).unwrap().creation_time(then).cleartext();
    let mut message = signer.build().unwrap();
    message.write_all(TEXT.as_bytes()).unwrap();
    message.finalize().unwrap();
    let taken = verify(Evidence::Inline(&out), &keyring(&[&cert])).unwrap();
    assert!(taken.notes[0].contains("has expired"), "{:?}", taken.notes);

    let mut primary =
        cert.primary_key().key().clone().parts_into_secret().unwrap().into_keypair().unwrap();
    let revocation = cert.revoke(&mut primary, ReasonForRevocation::KeySuperseded, b"").unwrap();
    let (revoked, _) = cert.clone().insert_packets([revocation]).unwrap();
    let said = said(verify(Evidence::Inline(&out), &keyring(&[&revoked])));
    assert!(said.contains("has been revoked"), "{said}");
}

#[test]
fn a_keyring_may_be_armored_and_have_several_blocks() {
    let (a, b) = (key(1), key(1));
    let armored = |cert: &Cert| {
        let mut out = Vec::new();
        cert.armored().serialize(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    let dir = tempfile::tempdir().unwrap();
    let path = Utf8Path::from_path(dir.path()).unwrap().join("keys.asc");
    std::fs::write(&path, format!("{}\n{}", armored(&a), armored(&b))).unwrap();
    for cert in [&a, &b] {
        let subkey = cert.keys().subkeys().next().unwrap().key().fingerprint().to_hex();
        for pinned in [fingerprint(cert), subkey.parse().unwrap()] {
            assert_eq!(Keyring::read(&path, &[pinned]).unwrap().certs.len(), 1);
        }
    }
    let error = Keyring::read(&path, &["A".repeat(40).parse().unwrap()]).unwrap_err().to_string();
    assert!(error.contains(fingerprint(&b).as_str()), "{error}");
    std::fs::write(&path, "<html>").unwrap();
    let error = Keyring::read(&path, &[fingerprint(&a)]).unwrap_err().to_string();
    assert!(error.contains("is not a keyring"), "{error}");
    let error = Keyring::read(Utf8Path::new("/nowhere"), &[]).unwrap_err().to_string();
    assert!(error.contains("cannot read the keyring"), "{error}");
}
