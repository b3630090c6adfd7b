//! The trust policy of this machine: a file of allowed signers.

use std::io;
use std::num::NonZeroUsize;

use camino::{Utf8Path, Utf8PathBuf};
use vgpu_keys::{
    AllowedSigner, AllowedSigners, AllowedSignersError, Channel, Policy, PolicyError, RevokedKeys,
    RevokedKeysError,
};

use crate::bounded::{self, MAX_KEYS};
use crate::outfile;

/// The allowed signers cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum TrustError {
    /// The file does not exist.
    #[error("no key is trusted yet: there is no `{0}`")]
    NotThere(Utf8PathBuf),
    /// The file cannot be read or written.
    #[error("cannot {verb} the allowed signers `{path}`")]
    Io {
        /// The attempted operation.
        verb: &'static str,
        path: Utf8PathBuf,
        source: io::Error,
    },
    /// The file is invalid.
    #[error("cannot use the allowed signers `{path}`")]
    Signers {
        path: Utf8PathBuf,
        /// The reason.
        source: AllowedSignersError,
    },
    /// The revoked keys cannot be read.
    #[error("cannot read the revoked keys `{path}`")]
    ReadRevoked { path: Utf8PathBuf, source: io::Error },
    /// The file of revoked keys is invalid.
    #[error("cannot use the revoked keys `{path}`")]
    Revoked {
        path: Utf8PathBuf,
        /// The reason.
        source: RevokedKeysError,
    },
    /// The policy requires more signers than are allowed.
    #[error("cannot use the allowed signers `{path}`")]
    Policy {
        path: Utf8PathBuf,
        /// The reason.
        source: PolicyError,
    },
}

/// Returns the allowed signers in the file at `path`; `None` if it does not exist.
pub(crate) fn read(path: &Utf8Path) -> Result<Option<AllowedSigners>, TrustError> {
    let text = match bounded::read_text(path, MAX_KEYS) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(TrustError::Io { verb: "read", path: path.to_owned(), source }),
    };
    let signers = text.parse();
    signers.map(Some).map_err(|source| TrustError::Signers { path: path.to_owned(), source })
}

/// Returns the revoked keys in the file at `path`; `None` if it does not exist.
pub(crate) fn revoked(path: &Utf8Path) -> Result<Option<RevokedKeys>, TrustError> {
    let bytes = match bounded::read(path, MAX_KEYS) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(TrustError::ReadRevoked { path: path.to_owned(), source }),
    };
    // The first bytes identify a binary list; other non-text files are not keys either.
    let keys = String::from_utf8_lossy(&bytes).parse();
    keys.map(Some).map_err(|source| TrustError::Revoked { path: path.to_owned(), source })
}

/// Returns the policy for reading bundles on this machine.
pub(crate) fn policy(
    path: &Utf8Path,
    threshold: NonZeroUsize,
    revoked: RevokedKeys,
) -> Result<Policy, TrustError> {
    let signers = read(path)?.ok_or_else(|| TrustError::NotThere(path.to_owned()))?;
    // Channels are a policy of nodes: this machine reads bundles of any channel.
    let channel: Option<Channel> = "any".parse().ok();
    Policy::new(1, threshold, channel, signers, revoked)
        .map_err(|source| TrustError::Policy { path: path.to_owned(), source })
}

/// Adds a line to the file at `path`, and creates the file if necessary.
///
/// Existing lines and comments are unchanged.
pub(crate) fn add(path: &Utf8Path, signer: AllowedSigner) -> Result<(), TrustError> {
    let mut signers = read(path)?.unwrap_or_default();
    let mut line = AllowedSigners::default();
    let error = |source| TrustError::Signers { path: path.to_owned(), source };
    line.add(signer.clone()).map_err(error)?;
    signers.add(signer).map_err(error)?;

    let append = || {
        let mut text = match bounded::read_text(path, MAX_KEYS) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text.push_str(&line.to_string());
        outfile::replace(path, text.as_bytes(), 0o644)
    };
    append().map_err(|source| TrustError::Io { verb: "write", path: path.to_owned(), source })
}
