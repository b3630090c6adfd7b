use std::collections::BTreeSet;
use std::fmt;
use std::num::NonZeroUsize;

use crate::{
    Fingerprint, MessageDigest, Policy, Principal, PublicKey, Role, Signature, SignatureError,
};

/// Proof that enough trusted principals have signed. Only [`Policy::judge`] creates one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Trusted {
    /// The trusted principals that have signed.
    pub principals: BTreeSet<Principal>,
    /// Their keys: for each principal, the one of the first signature.
    pub keys: BTreeSet<PublicKey>,
    /// Valid signatures that do not count.
    pub uncounted: Vec<Uncounted>,
}

/// A valid signature that does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uncounted {
    /// The key that made it.
    pub key: Fingerprint,
    /// The reason.
    pub why: WhyNot,
}

/// The reason why a valid signature does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WhyNot {
    /// The policy does not list the key.
    Unknown,
    /// The policy has revoked the key.
    Revoked,
    /// The policy lists the key, but not for this role.
    NotFor(Role, Principal),
    /// The principal is already counted, for this key or another one.
    CountedAlready(Principal),
}

impl fmt::Display for Uncounted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.key)?;
        match &self.why {
            WhyNot::Unknown => f.write_str("is not a trusted key"),
            WhyNot::Revoked => f.write_str("is revoked"),
            WhyNot::NotFor(role, who) => write!(f, "of {who} may not sign for {role}"),
            WhyNot::CountedAlready(who) => write!(f, "belongs to {who}, who is already counted"),
        }
    }
}

/// The reason why a message is not trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Distrust {
    /// The message has no signature.
    #[error("not signed")]
    Unsigned,
    /// A signature is invalid: it or the message was changed.
    #[error("the signature by {key} is bad")]
    Bad {
        /// The key that the signature names. It is not necessarily trusted.
        key: Fingerprint,
        /// The fault.
        source: SignatureError,
    },
    /// Too few trusted principals have signed.
    #[error("{threshold} trusted signature{} required for {role}, found {}{}", plural(*.threshold), found(.counted), TheRest(.counted, .uncounted))]
    TooFew {
        /// The role.
        role: Role,
        /// The number of principals that must sign.
        threshold: NonZeroUsize,
        /// The principals that have signed.
        counted: BTreeSet<Principal>,
        /// The signatures that did not count.
        uncounted: Vec<Uncounted>,
    },
}

impl Policy {
    /// Decides whether enough trusted principals have signed `message` for `role`.
    ///
    /// **No other function counts signatures.** First, every signature must be valid under its own
    /// key, trusted or not: a single bad signature means that the message was changed. Then the
    /// principals are counted whose key the policy allows for `role` and does not revoke, each one
    /// once, however many keys or signatures they have.
    pub fn judge(
        &self,
        role: Role,
        message: &[u8],
        signatures: &[Signature],
    ) -> Result<Trusted, Distrust> {
        self.judge_digest(role, &MessageDigest::of(message), signatures)
    }

    /// Decides the same as [`judge`](Self::judge) for a message that is not in memory.
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

        let threshold = self.threshold_for(role);
        if principals.len() >= threshold.get() {
            Ok(Trusted { principals, keys, uncounted })
        } else {
            Err(Distrust::TooFew { role, threshold, counted: principals, uncounted })
        }
    }

    /// Returns the principal of `key`, if it may sign for `role`.
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

fn plural(threshold: NonZeroUsize) -> &'static str {
    if threshold.get() == 1 { "" } else { "s" }
}

fn found(counted: &BTreeSet<Principal>) -> String {
    if counted.is_empty() { "none".to_owned() } else { counted.len().to_string() }
}

/// The end of the message of [`Distrust::TooFew`]: the counted principals, and why the others do not
/// count.
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
