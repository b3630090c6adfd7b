//! Who may speak for a bundle.
//!
//! Everything here is in the formats of OpenSSH, so that whatever this crate decides can be
//! repeated by hand with `ssh-keygen` on a host where nothing of ours is trusted yet:
//!
//! * a [`Signature`] is what `ssh-keygen -Y sign` writes, over Ed25519 and SHA-512 only;
//! * [`Slots`] are the eight places for signatures in a bundle;
//! * [`AllowedSigners`] and [`RevokedKeys`] are what `ssh-keygen -Y verify -f` and `-r` read;
//! * a [`Policy`] holds both, with a threshold, and [`Policy::judge`] is the only function in the
//!   product that counts signatures;
//! * a [`Signer`] is a [`KeyFile`] or a key in an [`Agent`].
//!
//! Nothing here looks at a clock. A key is good until it is revoked, also when its line in the
//! allowed signers says that it has expired: an offline host with a flat battery must not turn
//! down a good bundle.
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
mod judge;
#[cfg(feature = "sign")]
mod key_file;
mod message;
mod names;
mod policy;
mod public_key;
mod revoked;
mod role;
mod signature;
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
pub use crate::judge::{Distrust, Trusted, Uncounted, WhyNot};
#[cfg(feature = "sign")]
pub use crate::key_file::{KeyFile, KeyFileError};
pub use crate::message::MessageDigest;
pub use crate::names::{Channel, ParseNameError, Principal};
pub use crate::policy::{Policy, PolicyError};
pub use crate::public_key::{Fingerprint, KeyError, ParseFingerprintError, PublicKey};
pub use crate::revoked::{RevokedKeys, RevokedKeysError};
pub use crate::role::{Role, UnknownNamespace};
pub use crate::signature::{Signature, SignatureError};
pub use crate::signer::{SignError, Signer};
pub use crate::signer_line::{AllowedSigner, SignerLineError};
pub use crate::slots::{SLOT_COUNT, SLOT_LEN, SLOTS_LEN, Slots, SlotsError};
pub use crate::succession::SuccessorError;
pub use crate::validity::{ParseValidityTimeError, ValidityTime};
pub use crate::wire::Malformed;
