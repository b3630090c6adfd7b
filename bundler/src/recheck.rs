//! Builds a bundle a second time to check that it is reproducible.
//!
//! Digests recorded in the cache are not trusted: every byte is read and hashed again, and the
//! archive is written a second time.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read as _};

use camino::{Utf8Path, Utf8PathBuf};
use vgpu_keys::{MessageDigest, PublicKey, Role, SignError, Signature, Signer};
use vgpu_manifest::ui::{Exit, Explain};
use vgpu_manifest::{PIECE, Target, WriteError, write_bundle};

use crate::cache::Cache;
use crate::delta::Since;
use crate::lock::Lock;
use crate::pack::{self, PackError};

/// Why a second build failed or differs.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum RecheckError {
    /// A folder or file could not be used.
    #[error("cannot use `{path}` for the second build")]
    Io { path: Utf8PathBuf, source: io::Error },
    /// The manifest could not be made.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// The archive could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The second bundle differs from the first.
    #[error("the second build differs from byte {offset} on, in `{member}`")]
    Differs {
        /// The position of the first difference, from the start of the bundle.
        offset: u64,
        /// The member of the archive at this position.
        member: String,
    },
}

impl Explain for RecheckError {
    fn exit(&self) -> Option<Exit> {
        match self {
            Self::Write(error) => error.exit(),
            Self::Differs { .. } => Some(Exit::Untrusted),
            Self::Io { .. } | Self::Pack(_) => None,
        }
    }
}

/// Builds the bundle of `lock` again, as a delta since `since`, and compares it with the one at
/// `first`.
pub(crate) fn recheck(
    lock: &Lock,
    since: &Since,
    cache: &Cache,
    signer: &dyn Signer,
    first: Target<'_>,
    progress: &vgpu_manifest::Progress<'_>,
) -> Result<(), RecheckError> {
    let manifest = since.leave_out(pack::manifest_afresh(lock, cache)?);
    let folder = match first.path.parent() {
        Some(folder) if !folder.as_str().is_empty() => folder,
        _ => Utf8Path::new("."),
    };
    let error = |source| RecheckError::Io { path: folder.to_owned(), source };
    let scratch = tempfile::Builder::new().prefix(".check-").tempdir_in(folder).map_err(error)?;
    // This program chose the file name, and the folder's path is UTF-8 already.
    let name = scratch.path().file_name().unwrap_or_default().to_string_lossy();
    let path = folder.join(name.as_ref()).join(first.path.file_name().unwrap_or("again"));
    let second = Target { path: &path, split: first.split };
    write_bundle(&manifest, cache, &[signer], second, progress)?;
    let [ours, theirs] = [first, second].map(|target| Archive { target, part: None, index: 0 });
    match first_difference(ours, theirs)? {
        None => Ok(()),
        Some(offset) => Err(RecheckError::Differs { offset, member: manifest.member_at(offset)? }),
    }
}

/// A signer that repeats its last signature for the same bytes.
///
/// A security key counts its signatures, so that two of them differ, and has to be touched for each.
/// The second build is about all other bytes.
pub(crate) struct Repeating {
    signer: Box<dyn Signer>,
    last: RefCell<Option<(Role, MessageDigest, Signature)>>,
}

impl Repeating {
    pub(crate) fn new(signer: Box<dyn Signer>) -> Self {
        Self { signer, last: RefCell::new(None) }
    }
}

impl Signer for Repeating {
    fn public_key(&self) -> &PublicKey {
        self.signer.public_key()
    }

    fn sign_digest(&self, role: Role, message: &MessageDigest) -> Result<Signature, SignError> {
        let mut last = self.last.borrow_mut();
        if let Some((for_role, of, signature)) = &*last
            && (*for_role, of) == (role, message)
            && self.public_key().is_on_security_key()
        {
            return Ok(signature.clone());
        }
        let signature = self.signer.sign_digest(role, message)?;
        *last = Some((role, *message, signature.clone()));
        Ok(signature)
    }
}

/// The files of a bundle as one stream.
struct Archive<'t> {
    target: Target<'t>,
    part: Option<File>,
    index: usize,
}

impl Archive<'_> {
    /// Returns the path of the next file; `None` after the last.
    fn next(&mut self) -> Option<Utf8PathBuf> {
        self.index += 1;
        let path = match self.target.split {
            None if self.index > 1 => return None,
            None => self.target.path.to_owned(),
            Some(_) => Utf8PathBuf::from(format!("{}.{:03}", self.target.path, self.index)),
        };
        path.exists().then_some(path)
    }

    /// Fills `buf` unless the stream ends first.
    fn fill(&mut self, buf: &mut [u8]) -> Result<usize, RecheckError> {
        let mut filled = 0;
        while filled < buf.len() {
            if let Some(part) = &mut self.part {
                let error = |source| RecheckError::Io { path: self.target.path.to_owned(), source };
                let read = part.read(&mut buf[filled..]).map_err(error)?;
                filled += read;
                if read > 0 {
                    continue;
                }
            }
            let Some(path) = self.next() else { break };
            let opened = File::open(&path);
            self.part = Some(opened.map_err(|source| RecheckError::Io { path, source })?);
        }
        Ok(filled)
    }
}

/// Returns the position of the first difference between two bundles.
fn first_difference(mut a: Archive<'_>, mut b: Archive<'_>) -> Result<Option<u64>, RecheckError> {
    let (mut left, mut right) = (vec![0; PIECE], vec![0; PIECE]);
    let mut at = 0;
    loop {
        let (m, n) = (a.fill(&mut left)?, b.fill(&mut right)?);
        let same = left[..m].iter().zip(&right[..n]).take_while(|(x, y)| x == y).count();
        if same < m.max(n) {
            return Ok(Some(at + same as u64));
        }
        if m == 0 {
            return Ok(None);
        }
        at += m as u64;
    }
}

#[cfg(test)]
mod tests {
    use vgpu_manifest::PartSize;

    use super::*;

    #[test]
    fn the_first_difference_is_found_over_parts_too() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| Utf8Path::from_path(dir.path()).unwrap().join(name);
        let write = |name: &str, bytes: &[u8]| std::fs::write(path(name), bytes).unwrap();
        write("a", &vec![7; 3 * PIECE]);
        write("b.001", &vec![7; 2 * PIECE]);
        write("b.002", &vec![7; PIECE]);
        let (a, b) = (path("a"), path("b"));
        let compare = || {
            let whole = Archive { target: Target { path: &a, split: None }, part: None, index: 0 };
            let split = Some(PartSize::FAT32);
            let parts = Archive { target: Target { path: &b, split }, part: None, index: 0 };
            first_difference(whole, parts).unwrap()
        };
        assert_eq!(compare(), None);
        let mut last = vec![7; PIECE];
        last[5] = 8;
        write("b.002", &last);
        assert_eq!(compare(), Some(2 * PIECE as u64 + 5));
        write("b.002", &[7; 9]);
        assert_eq!(compare(), Some(2 * PIECE as u64 + 9));
        write("b.002", &vec![7; PIECE + 1]);
        assert_eq!(compare(), Some(3 * PIECE as u64));
    }
}
