//! Signed policies as a member of a bundle: which bytes a reader looks at before it trusts anything.

use std::fs;

use vgpu_keys::{Policy, Role, Signer};
use vgpu_manifest::{Bundle, Digest, ItemMode, VerifyError};
use vgpu_tests::sample::{Part, Sample};

fn part(name: &str, bytes: Vec<u8>) -> Part {
    Part { name: name.to_owned(), mode: ItemMode::Plain, bytes }
}

/// Returns policy 2 of the sample, with another channel, signed by alice.
fn policies(sample: &Sample) -> Vec<u8> {
    let one = sample.policy(1).unwrap().to_string();
    let two =
        one.replace("version = 1", "version = 2").replace("\"stable\"", "\"edge\", \"stable\"");
    let signature = sample.key("alice").unwrap().sign(Role::Policy, two.as_bytes()).unwrap();
    (two + &signature.to_armor()).into_bytes()
}

/// Verifies as a node does, and returns the version of the policy afterwards.
fn node(bundle: &camino::Utf8Path, policy: &Policy) -> Result<u64, VerifyError> {
    let opened = Bundle::open(bundle)?;
    let last = opened.successors(policy)?.pop();
    let policy = last.as_ref().map_or(policy, |last| &last.policy);
    opened.verify(policy)?;
    Ok(policy.version())
}

#[test]
fn every_changed_bit_of_the_member_is_refused() {
    let sample = Sample::new().unwrap();
    let text = policies(&sample);
    let parts = [part("policies", text.clone()), part("note", b"a note\n".to_vec())];
    let good = sample.write("good.vgpu.tar", &parts, &["alice"]).unwrap();
    let policy = sample.policy(1).unwrap();
    assert_eq!(node(&good, &policy).unwrap(), 2);

    let bytes = fs::read(&good).unwrap();
    let at = bytes.windows(text.len()).position(|window| window == text).unwrap();
    let changed = sample.path("changed.vgpu.tar");
    let end = at + text.len().next_multiple_of(512);
    for place in at - 512..end {
        let mut bytes = bytes.clone();
        bytes[place] ^= 1 << (place % 8);
        fs::write(&changed, &bytes).unwrap();
        // On the node, and on the laptop, which has no policy to follow from.
        assert!(node(&changed, &policy).is_err(), "byte {place}");
        let laptop = Bundle::open(&changed).and_then(|bundle| bundle.verify(&policy));
        assert!(laptop.is_err(), "byte {place}");
    }
}

#[test]
fn a_bundle_without_policies_and_one_of_the_past_change_nothing() {
    let sample = Sample::new().unwrap();
    let policy = sample.policy(1).unwrap();
    let note = part("note", b"a note\n".to_vec());
    let without =
        sample.write("without.vgpu.tar", std::slice::from_ref(&note), &["alice"]).unwrap();
    assert_eq!(node(&without, &policy).unwrap(), 1);
    assert!(!Bundle::open(&without).unwrap().claims_policies());
    let empty = sample.write("empty.vgpu.tar", &[], &["alice"]).unwrap();
    assert_eq!(node(&empty, &policy).unwrap(), 1);

    let text = policies(&sample);
    let parts = [part("policies", text.clone()), note];
    let bundle = sample.write("with.vgpu.tar", &parts, &["alice"]).unwrap();
    let later = policy.to_string().replace("version = 1", "version = 9");
    assert_eq!(node(&bundle, &Policy::parse(later.as_bytes()).unwrap()).unwrap(), 9);
    let verified = Bundle::open(&bundle).unwrap().verify(&policy).unwrap();
    let signed = verified.policies().unwrap().policies();
    assert_eq!((signed.len(), signed[0].to_bytes()), (1, text));
    assert_eq!(verified.manifest().policies().unwrap().sha256(), Digest::of(&policies(&sample)));
}
