//! Trust in bundles: keys, signatures, and the policy of a host.
//!
//! All formats are those of OpenSSH, so that every decision of this crate can be repeated with
//! `ssh-keygen` on a host that does not trust any tool of this project yet:
//!
//! * a [`Signature`] has the form of `ssh-keygen -Y sign`, with Ed25519 and SHA-512 only, by a key
//!   in a file or on a FIDO2 security key;
//! * [`Slots`] are the eight places for signatures in a bundle;
//! * [`AllowedSigners`] and [`RevokedKeys`] are the files of `ssh-keygen -Y verify -f` and `-r`;
//! * a [`Policy`] contains both and a threshold; [`Policy::judge`] is the only function that counts
//!   signatures;
//! * [`SignedPolicies`] travel in bundles and files; [`Policy::follow`] decides which of them replace
//!   the policy of a host;
//! * a [`Signer`] is a [`KeyFile`] or a key in an [`Agent`].
//!
//! No decision depends on the clock. A key is valid until it is revoked, even if its line in the
//! allowed signers has expired: an offline host with an empty battery must not refuse a good bundle.
//!
//! ```
//! use vgpu_keys::{KeyFile, Policy, Role, Signer};
//!
//! let key = KeyFile::generate("alice@laptop")?;
//! let policy = format!(
//!     "version = 1\nthreshold = 1\nchannels = ['stable']\nrevoked = ''\n\
//!      signers = '''\nalice namespaces=\"vgpu-bundle\" {}\n'''\n",
//!     key.public_key(),
//! );
//! let policy = Policy::parse(policy.as_bytes())?;
//!
//! let signature = key.sign(Role::Bundle, b"some bytes")?;
//! let trusted = policy.judge(Role::Bundle, b"some bytes", &[signature])?;
//! assert_eq!(trusted.principals.first().unwrap().as_str(), "alice");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[cfg(feature = "sign")]
mod agent;
mod allowed_signers;
mod armor;
mod changes;
mod draft;
mod judge;
#[cfg(feature = "sign")]
mod key_file;
mod message;
mod names;
mod policy;
mod public_key;
mod revoked;
mod role;
mod security_key;
mod signature;
mod signed_policy;
mod signer;
mod signer_line;
mod slots;
mod succession;
mod validity;
mod wire;

#[cfg(feature = "sign")]
pub use crate::agent::{Agent, AgentError, AgentKey};
pub use crate::allowed_signers::{AllowedSigners, AllowedSignersError};
pub use crate::armor::ArmorError;
pub use crate::draft::{DraftError, PolicyDraft, Subject};
pub use crate::judge::{Distrust, Trusted, Uncounted, WhyNot};
#[cfg(feature = "sign")]
pub use crate::key_file::{KeyFile, KeyFileError};
pub use crate::message::MessageDigest;
pub use crate::names::{Channel, ParseNameError, Principal};
pub use crate::policy::{Policy, PolicyError, Upstream};
pub use crate::public_key::{Fingerprint, KeyError, ParseFingerprintError, PublicKey};
pub use crate::revoked::{RevokedKeys, RevokedKeysError};
pub use crate::role::{Role, UnknownNamespace};
pub use crate::signature::{Signature, SignatureError};
pub use crate::signed_policy::{MAX_POLICIES, SignedPolicies, SignedPoliciesError, SignedPolicy};
pub use crate::signer::{SignError, Signer};
pub use crate::signer_line::{AllowedSigner, SignerLineError};
pub use crate::slots::{SLOT_COUNT, SLOT_LEN, SLOTS_LEN, Slots, SlotsError};
pub use crate::succession::{FollowError, Successor, SuccessorError};
pub use crate::validity::{ParseValidityTimeError, ValidityTime};
pub use crate::wire::Malformed;
