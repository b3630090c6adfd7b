//! Counting of signatures.

use vgpu_keys::{Distrust, Policy, Role, Signature, Slots, Trusted, WhyNot};

use crate::keys::openssh::OpenSsh;
use crate::keys::support::{Line, MESSAGE, Parts, policy, public, refused, sign, signers};

const BUNDLE: &[Role] = &[Role::Bundle];

/// Alice has the keys 1 and 2, Bob has 3, and Carol's 4 is for reports only.
const LINES: &[Line<'_>] = &[
    ("alice", 1, &[Role::Bundle, Role::Policy]),
    ("alice", 2, BUNDLE),
    ("bob", 3, &[Role::Bundle, Role::Policy]),
    ("carol", 4, &[Role::Report]),
];

fn judge(policy: &Policy, seeds: &[u8]) -> Result<Trusted, Distrust> {
    let signatures: Vec<Signature> = seeds.iter().map(|&seed| sign(seed, Role::Bundle)).collect();
    policy.judge(Role::Bundle, MESSAGE, &signatures)
}

fn names(trusted: &Trusted) -> Vec<&str> {
    trusted.principals.iter().map(vgpu_keys::Principal::as_str).collect()
}

#[test]
fn enough_principals_are_trusted() {
    let one = policy(1, 1, LINES, &[]);
    let two = policy(1, 2, LINES, &[]);
    assert_eq!(names(&judge(&one, &[1]).unwrap()), ["alice"]);
    assert_eq!(names(&judge(&one, &[2]).unwrap()), ["alice"]);
    assert_eq!(names(&judge(&one, &[3, 1]).unwrap()), ["alice", "bob"]);

    let trusted = judge(&two, &[2, 3]).unwrap();
    assert_eq!(names(&trusted), ["alice", "bob"]);
    assert!(
        trusted
            .keys
            .iter()
            .eq([public(2), public(3)].iter().collect::<std::collections::BTreeSet<_>>())
    );
    assert!(trusted.uncounted.is_empty());
}

#[test]
fn without_a_signature_nothing_is_trusted() {
    assert_eq!(judge(&policy(1, 1, LINES, &[]), &[]), Err(Distrust::Unsigned));
}

#[test]
fn a_signer_is_not_counted_twice() {
    let two = policy(1, 2, LINES, &[]);
    refused(judge(&two, &[1, 1]), "alice, who is already counted");
    refused(judge(&two, &[1, 2]), "alice, who is already counted");
    refused(
        judge(&two, &[2, 1, 2, 1, 2]),
        "2 trusted signatures required for vgpu-bundle, found 1 (alice)",
    );

    // The same signature in every slot of a bundle is valid, and counts once.
    let slot = Slots::slot_bytes(&sign(1, Role::Bundle));
    let slots = Slots::parse(&slot.repeat(8).try_into().unwrap()).unwrap();
    let judged = two.judge(Role::Bundle, MESSAGE, &slots.signatures());
    let Err(Distrust::TooFew { counted, uncounted, .. }) = judged else { panic!("{judged:?}") };
    assert_eq!((counted.len(), uncounted.len()), (1, 7));
}

#[test]
fn unknown_keys_are_passed_over_and_named() {
    let one = policy(1, 1, LINES, &[]);
    refused(judge(&one, &[9]), "is not a trusted key");
    refused(judge(&one, &[9]), &public(9).fingerprint().to_string());
    let trusted = judge(&one, &[9, 1, 8]).unwrap();
    assert_eq!(names(&trusted), ["alice"]);
    let why: Vec<_> = trusted.uncounted.iter().map(|other| (other.key, &other.why)).collect();
    let unknown = |seed| (public(seed).fingerprint(), &WhyNot::Unknown);
    assert_eq!(why, [unknown(9), unknown(8)]);
}

#[test]
fn a_key_counts_only_for_its_roles() {
    let one = policy(1, 1, LINES, &[]);
    refused(judge(&one, &[4]), "of carol may not sign for vgpu-bundle");
    let report = [sign(4, Role::Report)];
    assert!(one.judge(Role::Report, MESSAGE, &report).is_ok());
    let report = [sign(1, Role::Report)];
    refused(one.judge(Role::Report, MESSAGE, &report), "of alice may not sign for vgpu-report");
}

#[test]
fn a_signature_for_another_role_is_a_bad_one() {
    let one = policy(1, 1, LINES, &[]);
    let signatures = [sign(1, Role::Bundle), sign(3, Role::Policy)];
    refused(
        one.judge(Role::Bundle, MESSAGE, &signatures),
        "it is for vgpu-policy, not for vgpu-bundle",
    );
}

#[test]
fn one_bad_signature_spoils_all() {
    let one = policy(1, 1, LINES, &[5]);
    let other = |seed| {
        use vgpu_keys::Signer;
        crate::keys::support::key(seed).sign(Role::Bundle, b"something else").unwrap()
    };
    for bad in [other(1), other(3), other(5), other(9)] {
        let fingerprint = bad.key().fingerprint().to_string();
        for signatures in
            [vec![bad.clone(), sign(1, Role::Bundle)], vec![sign(1, Role::Bundle), bad]]
        {
            let judged = one.judge(Role::Bundle, MESSAGE, &signatures);
            refused(judged, &format!("the signature by {fingerprint} is bad"));
        }
    }
    // A signature that names a trusted key but was made with another one.
    let forged = Parts { key: public(1).to_wire(), ..Parts::by(9) };
    let forged = Signature::from_armor(forged.armor().as_bytes()).unwrap();
    refused(one.judge(Role::Bundle, MESSAGE, &[forged]), "is bad: the signature is invalid");
}

#[test]
fn a_revoked_key_never_counts_and_is_named() {
    let policy = policy(1, 1, LINES, &[1]);
    refused(judge(&policy, &[1]), &format!("{} is revoked", public(1).fingerprint()));
    assert_eq!(names(&judge(&policy, &[1, 2]).unwrap()), ["alice"], "her other key is good");
    assert_eq!(names(&judge(&policy, &[1, 3]).unwrap()), ["bob"]);
}

/// The files of a policy give the same decisions with the real `ssh-keygen`.
#[test]
fn ssh_keygen_agrees_for_every_key_and_role() {
    let Some(tools) = OpenSsh::find() else { return };
    let policy = policy(1, 1, LINES, &[2, 7]);
    tools.write("allowed", policy.allowed_signers().to_string());
    tools.write("revoked", policy.revoked_keys().to_string());
    let mut trusted = 0;
    for (principal, seed) in [("alice", 1), ("alice", 2), ("bob", 3), ("carol", 4), ("bob", 9)] {
        for role in Role::ALL {
            tools.write("sig", sign(seed, role).to_armor());
            let verify = ["-Y", "verify", "-f", "allowed", "-r", "revoked", "-s", "sig"];
            let who = ["-I", principal, "-n", role.namespace()];
            let theirs = tools.keygen(&[&verify[..], &who].concat(), MESSAGE);
            let ours = policy.judge(role, MESSAGE, &[sign(seed, role)]);
            assert_eq!(ours.is_ok(), theirs.good, "{principal} {seed} {role}: {}", theirs.said);
            trusted += usize::from(ours.is_ok());
        }
    }
    assert_eq!(trusted, 5);
}

/// The reason why revoked keys are complete keys: with a fingerprint in the file, `ssh-keygen`
/// trusts no key.
#[test]
fn ssh_keygen_reads_no_fingerprints_of_revoked_keys() {
    let Some(tools) = OpenSsh::find() else { return };
    tools.write("allowed", signers(LINES).to_string());
    tools.write("sig", sign(1, Role::Bundle).to_armor());
    let verify = |revoked: &str| {
        tools.write("revoked", revoked);
        let args = ["-Y", "verify", "-f", "allowed", "-r", "revoked", "-s", "sig", "-I", "alice"];
        tools.keygen(&[&args[..], &["-n", "vgpu-bundle"]].concat(), MESSAGE).good
    };
    assert!(verify("") && verify("# no keys\n\n"));
    for line in
        [format!("{}\n", public(9).fingerprint()), format!("hash: {}\n", public(9).fingerprint())]
    {
        assert!(!verify(&line));
        assert!(line.parse::<vgpu_keys::RevokedKeys>().is_err());
    }
}

#[test]
fn a_binary_revocation_list_is_refused() {
    let Some(tools) = OpenSsh::find() else { return };
    tools.write("keys", format!("{}\n", public(1)));
    tools.keygen(&["-q", "-k", "-f", "krl", "keys"], b"").ok();
    let krl = String::from_utf8_lossy(&tools.read("krl")).into_owned();
    refused(krl.parse::<vgpu_keys::RevokedKeys>(), "binary key revocation list");
}

/// Dates are informational. `ssh-keygen` accepts a verification time, and the library has none.
#[test]
fn an_expired_key_is_good_until_it_is_revoked() {
    let Some(tools) = OpenSsh::find() else { return };
    let line =
        format!("alice namespaces=\"vgpu-bundle\",valid-before=\"20200101\" {}\n", public(1));
    let document = format!(
        "version = 1\nthreshold = 1\nchannels = ['stable']\nrevoked = ''\nsigners = '''\n{line}'''\n"
    );
    let policy = Policy::parse(document.as_bytes()).unwrap();
    assert!(judge(&policy, &[1]).is_ok());

    tools.write("allowed", policy.allowed_signers().to_string());
    tools.write("sig", sign(1, Role::Bundle).to_armor());
    let verify = |time: &[&str]| {
        let args =
            ["-Y", "verify", "-f", "allowed", "-s", "sig", "-I", "alice", "-n", "vgpu-bundle"];
        tools.keygen(&[&args[..], time].concat(), MESSAGE).good
    };
    assert!(!verify(&[]));
    assert!(verify(&["-O", "verify-time=20190101"]));
}

/// `ssh-keygen` reads every line that the library accepts.
#[test]
fn ssh_keygen_reads_our_lines_in_every_spelling() {
    let Some(tools) = OpenSsh::find() else { return };
    tools.write("sig", sign(1, Role::Bundle).to_armor());
    let key = public(1);
    let text = |options: &str| format!("# who\n\nalice@example.org {options} {key} a comment\n");
    for options in [
        "namespaces=\"vgpu-bundle\"",
        "namespaces=\"vgpu-policy,vgpu-bundle\"",
        "valid-after=\"20200101\",namespaces=\"vgpu-bundle\",valid-before=\"99990101\"",
        "namespaces=\"vgpu-bundle\",valid-after=\"202001010000\"",
        "namespaces=\"vgpu-bundle\",valid-after=\"20200101000000\"",
    ] {
        let signers: vgpu_keys::AllowedSigners = text(options).parse().unwrap();
        for text in [text(options), signers.to_string()] {
            tools.write("allowed", &text);
            let args = ["-Y", "verify", "-f", "allowed", "-s", "sig", "-I", "alice@example.org"];
            let ran = tools.keygen(&[&args[..], &["-n", "vgpu-bundle"]].concat(), MESSAGE);
            assert!(ran.good, "{text:?}: {}", ran.said);
        }
    }
}
