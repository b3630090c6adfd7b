//! Whom this laptop trusts: a file of allowed signers.

use std::fs;
use std::io::{self, Write as _};
use std::num::NonZeroUsize;
use std::os::unix::fs::OpenOptionsExt as _;

use camino::{Utf8Path, Utf8PathBuf};
use vgpu_keys::{
    AllowedSigner, AllowedSigners, AllowedSignersError, Channel, Policy, PolicyError, RevokedKeys,
    RevokedKeysError,
};

/// The allowed signers cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum TrustError {
    /// There are none.
    #[error("nobody is trusted yet: there is no `{0}`")]
    NotThere(Utf8PathBuf),
    /// The file cannot be read or written.
    #[error("cannot {verb} the allowed signers `{path}`")]
    Io {
        /// The attempted operation.
        verb: &'static str,
        path: Utf8PathBuf,
        source: io::Error,
    },
    /// The file is not what it should be.
    #[error("cannot use the allowed signers `{path}`")]
    Signers {
        path: Utf8PathBuf,
        /// The reason.
        source: AllowedSignersError,
    },
    /// The revoked keys cannot be read.
    #[error("cannot read the revoked keys `{path}`")]
    ReadRevoked { path: Utf8PathBuf, source: io::Error },
    /// The file of revoked keys is not what it should be.
    #[error("cannot use the revoked keys `{path}`")]
    Revoked {
        path: Utf8PathBuf,
        /// The reason.
        source: RevokedKeysError,
    },
    /// Those who are allowed could never be enough.
    #[error("cannot use the allowed signers `{path}`")]
    Policy {
        path: Utf8PathBuf,
        /// What is wrong.
        source: PolicyError,
    },
}

/// Who is allowed by the file at `path`; `None` if there is no file.
pub(crate) fn read(path: &Utf8Path) -> Result<Option<AllowedSigners>, TrustError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(TrustError::Io { verb: "read", path: path.to_owned(), source }),
    };
    let signers = text.parse();
    signers.map(Some).map_err(|source| TrustError::Signers { path: path.to_owned(), source })
}

/// Which keys never count again by the file at `path`; `None` if there is no file.
pub(crate) fn revoked(path: &Utf8Path) -> Result<Option<RevokedKeys>, TrustError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(TrustError::ReadRevoked { path: path.to_owned(), source }),
    };
    // A binary list is told apart by its first bytes; whatever else is no text is no key either.
    let keys = String::from_utf8_lossy(&bytes).parse();
    keys.map(Some).map_err(|source| TrustError::Revoked { path: path.to_owned(), source })
}

/// The policy under which bundles are looked at here.
pub(crate) fn policy(
    path: &Utf8Path,
    threshold: NonZeroUsize,
    revoked: RevokedKeys,
) -> Result<Policy, TrustError> {
    let signers = read(path)?.ok_or_else(|| TrustError::NotThere(path.to_owned()))?;
    // Channels are for nodes. Here, a bundle of any may be looked at, and nobody asks for them.
    let channel: Option<Channel> = "any".parse().ok();
    Policy::new(1, threshold, channel, signers, revoked)
        .map_err(|source| TrustError::Policy { path: path.to_owned(), source })
}

/// Add a line to the file at `path`, which is created if it is not there.
///
/// What stands in it, comments too, stays as it is.
pub(crate) fn add(path: &Utf8Path, signer: AllowedSigner) -> Result<(), TrustError> {
    let mut signers = read(path)?.unwrap_or_default();
    let mut line = AllowedSigners::default();
    let error = |source| TrustError::Signers { path: path.to_owned(), source };
    line.add(signer.clone()).map_err(error)?;
    signers.add(signer).map_err(error)?;

    let append = || {
        let mut text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text.push_str(&line.to_string());
        put(path, text.as_bytes(), 0o644)
    };
    append().map_err(|source| TrustError::Io { verb: "write", path: path.to_owned(), source })
}

/// Make the file at `path` be `bytes`, by way of another file: the old content or the new, whole.
fn put(path: &Utf8Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let folder = create_parent(path)?;
    let mut builder = tempfile::Builder::new();
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(mode));
    let mut file = builder.prefix(".allowed_signers-").tempfile_in(&folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    fs::File::open(folder)?.sync_all()
}

/// Write a new file at `path`. One that is there is never overwritten: it may be a key.
pub(crate) fn put_new(path: &Utf8Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let folder = create_parent(path)?;
    let mut options = fs::File::options();
    let mut file = options.write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::File::open(folder)?.sync_all()
}

/// The folder of `path`, which only its owner may look into if it has to be created.
fn create_parent(path: &Utf8Path) -> io::Result<Utf8PathBuf> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_str().is_empty() => folder,
        _ => Utf8Path::new("."),
    };
    let mut builder = fs::DirBuilder::new();
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder)?;
    Ok(folder.to_owned())
}
