use std::collections::BTreeSet;
use std::fmt;
use std::num::NonZeroUsize;

use crate::{
    Fingerprint, MessageDigest, Policy, Principal, PublicKey, Role, Signature, SignatureError,
};

/// Enough principals have signed, and which.
///
/// Only [`Policy::judge`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Trusted {
    /// The trusted principals that have signed.
    pub principals: BTreeSet<Principal>,
    /// The keys with which they did: for each of them, the first that was seen.
    pub keys: BTreeSet<PublicKey>,
    /// The signatures that hold, but do not count.
    pub uncounted: Vec<Uncounted>,
}

/// A signature that holds under its own key, and yet does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uncounted {
    /// The key that made it.
    pub key: Fingerprint,
    /// Why it does not count.
    pub why: WhyNot,
}

/// Why a signature that holds under its own key does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WhyNot {
    /// The policy does not know the key.
    Unknown,
    /// The policy has revoked the key.
    Revoked,
    /// The policy knows the key, but not for this role.
    NotFor(Role, Principal),
    /// This principal has been counted already, for this key or another one.
    CountedAlready(Principal),
}

impl fmt::Display for Uncounted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.key)?;
        match &self.why {
            WhyNot::Unknown => f.write_str("is not a trusted key"),
            WhyNot::Revoked => f.write_str("is revoked"),
            WhyNot::NotFor(role, who) => write!(f, "of {who} may not sign for {role}"),
            WhyNot::CountedAlready(who) => write!(f, "is of {who}, who was counted already"),
        }
    }
}

/// Why something is not trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Distrust {
    /// Nobody has signed.
    #[error("it is not signed")]
    Unsigned,
    /// A signature does not hold, so somebody has tampered with it or with what it is on.
    #[error("the signature by {key} is bad")]
    Bad {
        /// The key that it says it was made with. It need not be a trusted one.
        key: Fingerprint,
        /// What is wrong with it.
        source: SignatureError,
    },
    /// Too few trusted principals have signed.
    #[error("{role} needs the signatures of {threshold}, and {} counted{}", .counted.len(), TheRest(.counted, .uncounted))]
    TooFew {
        /// What was to be trusted.
        role: Role,
        /// How many principals must sign.
        threshold: NonZeroUsize,
        /// Those that have.
        counted: BTreeSet<Principal>,
        /// The signatures that did not count.
        uncounted: Vec<Uncounted>,
    },
}

impl Policy {
    /// Decide whether enough trusted principals have signed `message` for `role`.
    ///
    /// **This is the only place where signatures are counted.** First, every signature must hold
    /// under its own key, trusted or not: what has even one bad signature was tampered with.
    /// Then those are counted whose key the policy allows for `role` and has not revoked, each
    /// principal once, however many keys they signed with and however often.
    pub fn judge(
        &self,
        role: Role,
        message: &[u8],
        signatures: &[Signature],
    ) -> Result<Trusted, Distrust> {
        self.judge_digest(role, &MessageDigest::of(message), signatures)
    }

    /// As [`judge`](Self::judge), for a message that need not be in memory.
    pub fn judge_digest(
        &self,
        role: Role,
        message: &MessageDigest,
        signatures: &[Signature],
    ) -> Result<Trusted, Distrust> {
        if signatures.is_empty() {
            return Err(Distrust::Unsigned);
        }
        for signature in signatures {
            signature
                .verify_digest(role, message)
                .map_err(|source| Distrust::Bad { key: signature.key().fingerprint(), source })?;
        }

        let mut principals = BTreeSet::new();
        let mut keys = BTreeSet::new();
        let mut uncounted = Vec::new();
        for key in signatures.iter().map(Signature::key) {
            match self.speaker(role, key) {
                Ok(principal) if principals.insert(principal.clone()) => {
                    keys.insert(*key);
                }
                Ok(principal) => {
                    let why = WhyNot::CountedAlready(principal.clone());
                    uncounted.push(Uncounted { key: key.fingerprint(), why });
                }
                Err(why) => uncounted.push(Uncounted { key: key.fingerprint(), why }),
            }
        }

        let threshold = self.threshold();
        if principals.len() >= threshold.get() {
            Ok(Trusted { principals, keys, uncounted })
        } else {
            Err(Distrust::TooFew { role, threshold, counted: principals, uncounted })
        }
    }

    /// The principal for whom `key` speaks when it signs for `role`.
    fn speaker(&self, role: Role, key: &PublicKey) -> Result<&Principal, WhyNot> {
        if self.revoked_keys().contains(key) {
            return Err(WhyNot::Revoked);
        }
        let signer = self.allowed_signers().get(key).ok_or(WhyNot::Unknown)?;
        if signer.roles().contains(&role) {
            Ok(signer.principal())
        } else {
            Err(WhyNot::NotFor(role, signer.principal().clone()))
        }
    }
}

/// The end of the message of [`Distrust::TooFew`]: who counted, and why the others did not.
struct TheRest<'a>(&'a BTreeSet<Principal>, &'a [Uncounted]);

impl fmt::Display for TheRest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(counted, uncounted) = self;
        for (i, principal) in counted.iter().enumerate() {
            write!(f, "{}{principal}", if i == 0 { " (" } else { ", " })?;
        }
        if !counted.is_empty() {
            f.write_str(")")?;
        }
        uncounted.iter().try_for_each(|signature| write!(f, "; {signature}"))
    }
}
