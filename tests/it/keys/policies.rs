//! Policies that travel with their signatures, and what a host takes of them.

use vgpu_keys::{
    FollowError, Policy, PolicyDraft, Role, SignedPolicies, SignedPolicy, Signer, SuccessorError,
};

use crate::keys::openssh::OpenSsh;
use crate::keys::support::{Line, key, policy, public, refused};

const BOTH: &[Role] = &[Role::Bundle, Role::Policy];
const ALICE: &[Line<'_>] = &[("alice", 1, BOTH)];
const BOTH_OF_THEM: &[Line<'_>] = &[("alice", 1, BOTH), ("bob", 2, BOTH)];
const BOB: &[Line<'_>] = &[("bob", 2, BOTH)];

/// Returns the text of a policy that these keys have signed.
fn signed(policy: &Policy, seeds: &[u8]) -> String {
    let document = policy.to_string();
    let sign = |&seed: &u8| key(seed).sign(Role::Policy, document.as_bytes()).unwrap().to_armor();
    let signatures: String = seeds.iter().map(sign).collect();
    document + &signatures
}

fn parse(text: &str) -> SignedPolicies {
    SignedPolicies::parse(text.as_bytes()).unwrap()
}

/// Two, three and four: from alice to bob.
fn chain() -> String {
    [
        signed(&policy(2, 1, BOTH_OF_THEM, &[]), &[1]),
        signed(&policy(3, 2, BOTH_OF_THEM, &[]), &[1, 2]),
        signed(&policy(4, 1, BOB, &[1]), &[1, 2]),
    ]
    .concat()
}

fn versions(have: &Policy, text: &str) -> Vec<u64> {
    let taken = have.follow(&parse(text)).unwrap();
    taken.iter().map(|successor| successor.policy.version()).collect()
}

#[test]
fn a_host_takes_all_newer_policies_and_no_older_one() {
    let text = chain();
    assert_eq!(versions(&policy(1, 1, ALICE, &[]), &text), [2, 3, 4]);
    assert_eq!(versions(&policy(2, 1, BOTH_OF_THEM, &[]), &text), [3, 4]);
    assert_eq!(versions(&policy(3, 2, BOTH_OF_THEM, &[]), &text), [4]);
    for have in [4, 5, 9] {
        // Also if it trusts none of the signers.
        assert!(versions(&policy(have, 1, &[("eve", 9, BOTH)], &[]), &text).is_empty());
    }
    let taken = policy(1, 1, ALICE, &[]).follow(&parse(&text)).unwrap();
    assert_eq!(taken[2].document, policy(4, 1, BOB, &[1]).to_string().into_bytes());
    assert_eq!(taken[1].signed_by.len(), 2);
}

#[test]
fn each_policy_needs_its_predecessor_and_itself() {
    let one = policy(1, 1, ALICE, &[]);
    let two = |seeds: &[u8]| parse(&signed(&policy(2, 2, BOTH_OF_THEM, &[]), seeds));
    assert!(one.follow(&two(&[1, 2])).is_ok());
    refused(one.follow(&two(&[2])), "cannot take policy 2: too few signers of the current policy");
    refused(one.follow(&two(&[1])), "too few signers of the new policy");
    // Of several, none is taken if one of them is refused.
    let text =
        signed(&policy(2, 1, BOTH_OF_THEM, &[]), &[1]) + &signed(&policy(3, 1, BOB, &[]), &[9]);
    refused(one.follow(&parse(&text)), "cannot take policy 3");
    // A key that the predecessor revokes does not count.
    let revoked = policy(1, 1, BOTH_OF_THEM, &[2]);
    let next = signed(&policy(2, 1, BOTH_OF_THEM, &[2]), &[2]);
    refused(revoked.follow(&parse(&next)), "is revoked");
    // A policy may not drop a revocation.
    let next = signed(&policy(2, 1, BOTH_OF_THEM, &[]), &[1]);
    refused(revoked.follow(&parse(&next)), "a revoked key stays revoked");
}

#[test]
fn a_gap_and_a_host_that_cannot_be_re_keyed_are_named() {
    let one = policy(1, 1, ALICE, &[]);
    let three = parse(&signed(&policy(3, 1, ALICE, &[]), &[1]));
    assert_eq!(one.follow(&three), Err(FollowError::Gap { have: 1, first: 3 }));
    refused(one.follow(&three), "policy 2 is missing");

    let stuck = policy(1, 1, &[("alice", 1, &[Role::Bundle])], &[]);
    assert!(!stuck.can_be_succeeded());
    let two = parse(&signed(&policy(2, 1, ALICE, &[]), &[1]));
    let Err(FollowError::Refused { version: 2, source, can_be_succeeded: false }) =
        stuck.follow(&two)
    else {
        panic!("{:?}", stuck.follow(&two))
    };
    assert!(matches!(source, SuccessorError::Old(_)));
}

#[test]
fn policies_have_a_threshold_of_their_own() {
    let draft = |version: u64, threshold: usize| {
        let mut draft = PolicyDraft::after(&policy(version - 1, 1, BOTH_OF_THEM, &[]));
        draft.policy_threshold = Some(threshold.try_into().unwrap());
        draft.finish().unwrap()
    };
    let strict = draft(2, 2);
    assert_eq!((strict.threshold().get(), strict.threshold_for(Role::Policy).get()), (1, 2));
    assert_eq!(Policy::parse(strict.to_string().as_bytes()), Ok(strict.clone()));
    let message = b"sums";
    let by_alice = [key(1).sign(Role::Bundle, message).unwrap()];
    assert!(strict.judge(Role::Bundle, message, &by_alice).is_ok());
    let lax = |seeds: &[u8]| strict.follow(&parse(&signed(&draft(3, 1), seeds)));
    refused(lax(&[1]), "2 trusted signatures required for vgpu-policy, found 1");
    assert!(lax(&[1, 2]).is_ok());
}

#[test]
fn any_change_of_the_text_is_refused() {
    let one = policy(1, 1, ALICE, &[]);
    let text = chain();
    for at in 0..text.len() {
        let mut bytes = text.clone().into_bytes();
        bytes[at] ^= 1;
        let followed = SignedPolicies::parse(&bytes).map(|policies| one.follow(&policies));
        assert!(!matches!(followed, Ok(Ok(_))), "byte {at}");
        let shorter = SignedPolicies::parse(&text.as_bytes()[..at]);
        let taken = shorter.ok().and_then(|policies| one.follow(&policies).ok());
        assert!(taken.is_none_or(|taken| taken.len() < 3), "cut at {at}");
    }
}

#[test]
fn the_text_has_one_form() {
    let says = |text: &str, words: &str| refused(SignedPolicies::parse(text.as_bytes()), words);
    let good = chain();
    let one = signed(&policy(2, 1, ALICE, &[]), &[1]);
    let armor = one.split_at(one.find("-----BEGIN").unwrap()).1;
    says("", "does not start with a policy");
    says(armor, "does not start with a policy");
    says(&policy(2, 1, ALICE, &[]).to_string(), "policy 2 is not signed");
    says("version = 2", "does not end with a newline");
    says(&format!("# a comment\n{good}"), "line 1: the first line of a policy must be");
    for version in ["02", "0", "+2", "-2", "2 ", "2 # two", "18446744073709551616"] {
        says(&one.replacen("version = 2", &format!("version = {version}"), 1), "line 1");
    }
    says(&format!("{one}\n"), &format!("line {}", one.lines().count() + 1));
    says(&format!("{one}{one}"), "policy 2 follows policy 2");
    says(&(one.clone() + &signed(&policy(4, 1, ALICE, &[]), &[1])), "policy 4 follows policy 2");
    says(&one.replace('\n', "\r\n"), "first line");
    says(&one.replace("SIGNATURE-----\n", "SIGNATURE----- \n"), "cannot be used");
    says(&one.replace("-----END SSH", "-----END"), "cannot be used");
    says(&(one.clone() + &armor.repeat(8)), "more than 8 signatures");
    says(&format!("{one}{}", "x".repeat(1 << 20)), "longer than");
    // Eight fit.
    assert!(SignedPolicies::parse(format!("{one}{}", armor.repeat(7)).as_bytes()).is_ok());
}

#[test]
fn signatures_are_added_once_per_key() {
    let document = policy(2, 1, ALICE, &[]).to_string();
    let mut draft = SignedPolicy::parse(document.as_bytes()).unwrap();
    let sign = |seed| key(seed).sign(Role::Policy, document.as_bytes()).unwrap();
    draft.add(sign(1)).unwrap();
    refused(draft.add(sign(1)), &format!("{} has already signed", public(1).fingerprint()));
    for seed in 2..=8 {
        draft.add(sign(seed)).unwrap();
    }
    refused(draft.add(sign(9)), "more than 8");
    assert_eq!(SignedPolicy::parse(&draft.to_bytes()), Ok(draft.clone()));
    assert_eq!(SignedPolicies::parse(&draft.to_bytes()).unwrap().policies(), [draft]);
}

#[test]
fn what_changes_is_listed() {
    let (old, new) = (policy(2, 2, BOTH_OF_THEM, &[]), policy(3, 1, BOB, &[1]));
    let changes = new.changes_since(&old);
    let alice = public(1).fingerprint();
    assert_eq!(
        changes,
        [
            format!("revoke {alice} of alice"),
            format!("stop trusting alice with {alice}"),
            "require 1 signature for vgpu-bundle instead of 2".to_owned(),
            "require 1 signature for vgpu-policy instead of 2".to_owned(),
        ]
    );
    assert!(new.changes_since(&new).is_empty());
}

/// The text is made and checked with `ssh-keygen` alone.
#[test]
fn stock_tools_make_and_check_the_text() {
    let Some(tools) = OpenSsh::find() else { return };
    tools.write("alice", key(1).to_openssh(None).unwrap().as_bytes());
    let document = policy(2, 1, BOTH_OF_THEM, &[]).to_string();
    let armor = tools.sign("alice", Role::Policy, &[], document.as_bytes());
    let text = [document.as_bytes(), &armor].concat();
    assert_eq!(text, signed(&policy(2, 1, BOTH_OF_THEM, &[]), &[1]).into_bytes());
    assert_eq!(versions(&policy(1, 1, ALICE, &[]), str::from_utf8(&text).unwrap()), [2]);

    tools.write("policies", &text);
    tools.write("signers", policy(1, 1, ALICE, &[]).allowed_signers().to_string());
    let script = "sed '/^-----BEGIN/,$d' policies > document
        sed -n '/^-----BEGIN/,$p' policies > sig
        ssh-keygen -Y verify -f signers -I alice -n vgpu-policy -s sig < document";
    let mut command = std::process::Command::new("sh");
    assert!(tools.run(command.args(["-e", "-c", script]), b"").good);
}
