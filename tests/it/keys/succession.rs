//! Replacement of one policy by the next.

use vgpu_keys::{Policy, PolicyError, Role, Signature, Signer, SuccessorError};

use crate::keys::support::{Line, key, policy, public, refused, said};

const BOTH: &[Role] = &[Role::Bundle, Role::Policy];

/// Alice 1, Bob 2 and Carol 3; the threshold is 2.
const OLD: &[Line<'_>] = &[("alice", 1, BOTH), ("bob", 2, BOTH), ("carol", 3, BOTH)];

/// Carol has left, and Dave 4 has joined.
const NEW: &[Line<'_>] = &[("alice", 1, BOTH), ("bob", 2, BOTH), ("dave", 4, BOTH)];

fn signed(document: &str, seeds: &[u8]) -> Vec<Signature> {
    let sign = |&seed: &u8| key(seed).sign(Role::Policy, document.as_bytes()).unwrap();
    seeds.iter().map(sign).collect()
}

fn accept(old: &Policy, new: &Policy, seeds: &[u8]) -> Result<Policy, SuccessorError> {
    let document = new.to_string();
    let accepted = old.accept_successor(document.as_bytes(), &signed(&document, seeds))?;
    assert_eq!(accepted.document, document.as_bytes());
    Ok(accepted.policy)
}

#[test]
fn old_and_new_signers_have_to_agree() {
    let old = policy(1, 2, OLD, &[]);
    let new = policy(2, 2, NEW, &[]);
    assert_eq!(accept(&old, &new, &[1, 2]), Ok(new.clone()), "both trust alice and bob");
    assert_eq!(accept(&old, &new, &[1, 3, 4]), Ok(new.clone()), "alice and carol, alice and dave");

    let error = accept(&old, &new, &[1, 4]).unwrap_err();
    assert!(matches!(error, SuccessorError::Old(_)), "{error:?}");
    assert!(said(&error).contains("found 1 (alice)"), "{}", said(&error));
    let error = accept(&old, &new, &[1, 3]).unwrap_err();
    assert!(matches!(error, SuccessorError::New(_)), "{error:?}");
    assert!(said(&error).contains("is not a trusted key"), "{}", said(&error));
    refused(accept(&old, &new, &[]), "not signed");
}

#[test]
fn each_of_the_two_thresholds_counts() {
    let one = |version| policy(version, 1, OLD, &[]);
    let three = |version| policy(version, 3, OLD, &[]);
    assert!(accept(&one(1), &three(2), &[1, 2, 3]).is_ok());
    assert!(accept(&three(1), &one(2), &[1, 2, 3]).is_ok());
    assert!(matches!(accept(&one(1), &three(2), &[1, 2]), Err(SuccessorError::New(_))));
    assert!(matches!(accept(&three(1), &one(2), &[1, 2]), Err(SuccessorError::Old(_))));
}

#[test]
fn versions_go_up_by_one() {
    let old = policy(5, 1, OLD, &[]);
    for found in [1, 4, 5, 7, u64::from(u32::MAX)] {
        let accepted = accept(&old, &policy(found, 1, OLD, &[]), &[1]);
        assert_eq!(accepted, Err(SuccessorError::Version { have: 5, found }));
    }
    assert!(accept(&old, &policy(6, 1, OLD, &[]), &[1]).is_ok());
}

#[test]
fn what_is_revoked_stays_revoked() {
    let old = policy(1, 1, OLD, &[8, 9]);
    assert!(accept(&old, &policy(2, 1, OLD, &[8, 9]), &[1]).is_ok());
    assert!(accept(&old, &policy(2, 1, OLD, &[3, 8, 9]), &[1]).is_ok());
    let accepted = accept(&old, &policy(2, 1, OLD, &[3, 8]), &[1]);
    assert_eq!(accepted, Err(SuccessorError::Unrevoked(public(9).fingerprint())));
}

#[test]
fn a_key_that_the_new_policy_revokes_cannot_help_to_bring_it_in() {
    let old = policy(1, 2, OLD, &[]);
    let new = policy(2, 2, OLD, &[3]);
    assert!(accept(&old, &new, &[1, 2]).is_ok());
    refused(accept(&old, &new, &[1, 3]), &format!("{} is revoked", public(3).fingerprint()));
}

#[test]
fn a_signature_for_bundles_or_over_other_bytes_does_not_bring_a_policy_in() {
    let old = policy(1, 1, OLD, &[]);
    let document = policy(2, 1, OLD, &[]).to_string();
    let bundle = [key(1).sign(Role::Bundle, document.as_bytes()).unwrap()];
    refused(old.accept_successor(document.as_bytes(), &bundle), "not for vgpu-policy");
    let longer = document.clone() + "\n";
    let accepted = old.accept_successor(longer.as_bytes(), &signed(&document, &[1]));
    refused(accepted, "is invalid");
}

#[test]
fn a_key_for_bundles_alone_does_not_bring_a_policy_in() {
    let old = policy(1, 1, &[("alice", 1, BOTH), ("bob", 2, &[Role::Bundle])], &[]);
    let new = policy(2, 1, OLD, &[]);
    refused(accept(&old, &new, &[2]), "of bob may not sign for vgpu-policy");
}

#[test]
fn a_signed_policy_that_cannot_be_read_is_refused() {
    let old = policy(1, 1, OLD, &[]);
    let document = "version = 2\n";
    let accepted = old.accept_successor(document.as_bytes(), &signed(document, &[1]));
    assert!(
        matches!(accepted, Err(SuccessorError::Policy(PolicyError::Document { .. }))),
        "{accepted:?}"
    );
    // An unsigned document is not parsed.
    let accepted = old.accept_successor(document.as_bytes(), &signed(document, &[9]));
    assert!(matches!(accepted, Err(SuccessorError::Old(_))), "{accepted:?}");
}
