//! Properties for arbitrary input.

use proptest::collection::vec;
use proptest::prelude::*;
use vgpu_keys::{
    AllowedSigner, AllowedSigners, Channel, Fingerprint, KeyFile, Policy, Principal, PublicKey,
    RevokedKeys, Role, SLOTS_LEN, Signature, Signer, Slots, ValidityTime,
};

use crate::keys::support::{Line, Parts, armor, key, policy, public, sign, signers};

/// Fragments of the formats.
const WORDS: &[&str] = &[
    "alice",
    "bob",
    " ",
    "\t",
    "\n",
    "#",
    "\"",
    "=",
    ",",
    "namespaces",
    "vgpu-bundle",
    "vgpu-policy",
    "namespaces=\"vgpu-bundle\"",
    "valid-after",
    "cert-authority",
    "20200101",
    "ssh-ed25519",
    "ssh-rsa",
    "SHA256:",
    "hash:",
    "'''",
    "version = 1\n",
    "threshold = 1\n",
    "channels = [\"a\"]\n",
    "signers = '''\n",
    "revoked = ''\n",
    "\r",
    "\0",
    "é",
    "*",
    "!",
];

/// Returns text that mostly consists of these fragments, so that parsers get far.
fn text() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        8 => proptest::sample::select(WORDS).prop_map(str::to_owned),
        2 => (0..4_u8).prop_map(|seed| public(seed).to_string()),
        1 => any::<String>(),
    ];
    vec(word, 0..24).prop_map(|words| words.concat())
}

/// Returns a private key file or a signature with some bytes replaced.
fn damaged(good: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let changes = vec((0..good.len(), any::<u8>()), 0..4);
    (changes, 0..=good.len()).prop_map(move |(changes, len)| {
        let mut bad = good.clone();
        for (at, byte) in changes {
            bad[at] = byte;
        }
        bad.truncate(len.max(good.len() / 2));
        bad
    })
}

fn private(armor: &str) -> String {
    armor.replace("SSH SIGNATURE", "OPENSSH PRIVATE KEY")
}

/// Checks the round trip: a parsed text is written and parsed as the same value.
fn stable<T>(text: &str) -> Result<(), TestCaseError>
where
    T: std::str::FromStr + ToString + PartialEq + std::fmt::Debug,
    T::Err: std::error::Error,
{
    match text.parse::<T>() {
        Ok(value) => {
            let written = value.to_string();
            let again =
                written.parse::<T>().map_err(|error| TestCaseError::fail(error.to_string()))?;
            prop_assert_eq!(again, value);
        }
        Err(error) => {
            let said = error.to_string();
            prop_assert!(!said.contains(char::is_control), "{:?}", said);
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn every_text_is_read_back_or_refused(text in text()) {
        stable::<AllowedSigner>(&text)?;
        stable::<AllowedSigners>(&text)?;
        stable::<RevokedKeys>(&text)?;
        stable::<PublicKey>(&text)?;
        stable::<Fingerprint>(&text)?;
        stable::<Principal>(&text)?;
        stable::<Channel>(&text)?;
        stable::<Role>(&text)?;
        stable::<ValidityTime>(&text)?;
        if let Ok(policy) = Policy::parse(text.as_bytes()) {
            prop_assert_eq!(Policy::parse(policy.to_string().as_bytes()), Ok(policy));
        }
    }

    #[test]
    fn no_bytes_make_a_parser_panic(bytes in vec(any::<u8>(), 0..400)) {
        let _ = Signature::from_armor(&bytes);
        let _ = Signature::from_armor(armor(&bytes, 70).as_bytes());
        let _ = Signature::from_armor(armor(&[b"SSHSIG\0\0\0\x01", &*bytes].concat(), 70).as_bytes());
        let _ = PublicKey::from_wire(&bytes);
        let _ = Policy::parse(&bytes);
        let mut ask = || Ok(zeroize::Zeroizing::new("x".to_owned()));
        let _ = KeyFile::parse(&bytes, &mut ask);
        let inside = [b"openssh-key-v1\0", &*bytes].concat();
        let _ = KeyFile::parse(private(&armor(&inside, 70)).as_bytes(), &mut ask);
    }

    #[test]
    fn a_damaged_signature_is_another_one_or_none(blob in damaged(Parts::good().blob())) {
        if let Ok(signature) = Signature::from_armor(armor(&blob, 70).as_bytes()) {
            prop_assert_eq!(signature.to_armor(), armor(&blob, 70));
            let changed = signature != sign(1, Role::Bundle);
            let holds = signature.verify(Role::Bundle, crate::keys::support::MESSAGE).is_ok();
            prop_assert_ne!(changed, holds);
        }
    }

    #[test]
    fn damaged_slots_are_read_back_or_refused(
        changes in vec((0..SLOTS_LEN, any::<u8>()), 0..4),
        taken in vec(0..8_u8, 0..8),
    ) {
        let mut slots = Slots::default();
        for seed in taken {
            let _ = slots.add(sign(seed, Role::Bundle));
        }
        let mut bytes = slots.to_bytes();
        for (at, byte) in changes {
            bytes[at] = byte;
        }
        if let Ok(slots) = Slots::parse(&bytes) {
            prop_assert_eq!(slots.to_bytes(), bytes);
        }
    }

    /// Compares the counting function with a second implementation: the number of principals with a
    /// signing key that is listed for the role and not revoked.
    #[test]
    fn judge_counts_principals(
        owners in vec(0..4_usize, 6),
        may in vec(any::<bool>(), 6),
        revoked in vec(0..6_u8, 0..3),
        signing in vec(0..9_u8, 0..8),
        threshold in 1..4_usize,
    ) {
        const NAMES: [&str; 4] = ["alice", "bob", "carol", "dave"];
        let both: &[Role] = &[Role::Bundle, Role::Report];
        let role = |may: bool| if may { both } else { &both[1..] };
        // Enough signers always exist, so the policy itself is accepted.
        let mut lines: Vec<Line<'_>> =
            vec![("x", 100, both), ("y", 101, both), ("z", 102, both)];
        for (seed, (&owner, &may)) in (0_u8..).zip(owners.iter().zip(&may)) {
            lines.push((NAMES[owner], seed, role(may)));
        }
        let policy = policy(1, threshold, &lines, &revoked);
        prop_assert_eq!(Policy::parse(policy.to_string().as_bytes()), Ok(policy.clone()));

        let counts = |&seed: &u8| {
            let known = usize::from(seed) < owners.len();
            known && may[usize::from(seed)] && !revoked.contains(&seed)
        };
        let mut expected: Vec<usize> =
            signing.iter().filter(|seed| counts(seed)).map(|&seed| owners[usize::from(seed)]).collect();
        expected.sort_unstable();
        expected.dedup();

        let signatures: Vec<_> = signing.iter().map(|&seed| sign(seed, Role::Bundle)).collect();
        let judged = policy.judge(Role::Bundle, crate::keys::support::MESSAGE, &signatures);
        prop_assert_eq!(judged.is_ok(), expected.len() >= threshold, "{:?}", judged);
        if let Ok(trusted) = judged {
            let names: Vec<&str> = trusted.principals.iter().map(Principal::as_str).collect();
            prop_assert_eq!(names, expected.iter().map(|&owner| NAMES[owner]).collect::<Vec<_>>());
        }
    }
}

#[test]
fn values_are_texts_to_serde() {
    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    struct Values {
        key: PublicKey,
        fingerprint: Fingerprint,
        principal: Principal,
        channel: Channel,
        role: Role,
    }
    let values = Values {
        key: public(1),
        fingerprint: key(1).public_key().fingerprint(),
        principal: "alice".parse().unwrap(),
        channel: "stable".parse().unwrap(),
        role: Role::Report,
    };
    let text = toml::to_string(&values).unwrap();
    assert!(text.contains("role = \"vgpu-report\""), "{text}");
    assert_eq!(toml::from_str::<Values>(&text).unwrap(), values);
    assert!(toml::from_str::<Values>(&text.replace("alice", "ali*")).is_err());
    assert_eq!(signers(&[]).to_string(), "");
}
