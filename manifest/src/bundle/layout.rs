//! The offsets of all members of a bundle, computed from the manifest alone.

use std::fmt::Write as _;

use super::header::{BLOCK, Header, header, padded};
use crate::limits::{MAX_BUNDLE, MAX_MANIFEST, MAX_SUMS};
use crate::types::{MANIFEST, SHA256SUMS, SIGNATURES};
use crate::{Digest, Item, ItemMode, Manifest, WriteError};

/// The offset of the content of the member `SIGNATURES`, in bytes from the start of the bundle.
pub const SIGNATURES_AT: u64 = BLOCK;

/// The offset of the header of the member `SHA256SUMS`.
pub(crate) const SUMS_HEADER_AT: u64 = SIGNATURES_AT + SIGNATURES_LEN;

/// The length of the member `SIGNATURES`, in bytes.
pub(crate) const SIGNATURES_LEN: u64 = 4096;

/// The archive that a manifest describes, byte for byte except signatures and payload.
#[derive(Debug)]
pub(crate) struct Layout {
    /// The required content of `SHA256SUMS`.
    pub(crate) sums: Vec<u8>,
    members: Vec<Member>,
    /// The length of the whole archive in bytes.
    pub(crate) total: u64,
}

/// A member of the archive.
#[derive(Debug)]
pub(crate) struct Member {
    /// Its only valid header.
    pub(crate) header: Header,
    /// The offset of the header.
    pub(crate) at: u64,
    /// The length of the content after the header.
    pub(crate) size: u64,
}

impl Member {
    /// Returns the offset of the content.
    pub(crate) fn content(&self) -> u64 {
        self.at + BLOCK
    }

    /// Returns the end of the content, where the padding up to the next member begins.
    pub(crate) fn end(&self) -> u64 {
        self.content() + self.size
    }
}

/// The bundle would be larger than this program supports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what} would have {size} bytes, but at most {limit} are supported")]
pub struct TooLarge {
    what: &'static str,
    size: u64,
    limit: u64,
}

impl Layout {
    /// Returns the archive of `manifest`, whose bytes are `manifest_bytes`.
    pub(crate) fn new(manifest: &Manifest, manifest_bytes: &[u8]) -> Result<Self, TooLarge> {
        let sums = sums(manifest, Digest::of(manifest_bytes));
        within("the list of digests", sums.len() as u64, MAX_SUMS)?;
        within("the manifest", manifest_bytes.len() as u64, MAX_MANIFEST)?;

        let mut layout = Self { sums, members: Vec::new(), total: 0 };
        let own = [
            (SIGNATURES, SIGNATURES_LEN),
            (SHA256SUMS, layout.sums.len() as u64),
            (MANIFEST, manifest_bytes.len() as u64),
        ];
        for (name, size) in own {
            layout.push(name, ItemMode::Plain, size, manifest.created)?;
        }
        for item in manifest.carried() {
            layout.push(item.name().as_str(), item.mode(), item.size(), manifest.created)?;
        }
        layout.total += 2 * BLOCK;
        Ok(layout)
    }

    fn push(&mut self, name: &str, mode: ItemMode, size: u64, mtime: u64) -> Result<(), TooLarge> {
        let at = self.total;
        self.total = at + BLOCK + padded(size);
        within("the bundle", self.total, MAX_BUNDLE)?;
        self.members.push(Member { header: header(name, mode, size, mtime), at, size });
        Ok(())
    }

    /// Returns every member, in archive order.
    pub(crate) fn members(&self) -> &[Member] {
        &self.members
    }

    /// The member `SHA256SUMS`.
    pub(crate) fn sums_member(&self) -> &Member {
        &self.members[1]
    }

    /// The member `MANIFEST.json`.
    pub(crate) fn manifest_member(&self) -> &Member {
        &self.members[2]
    }

    /// Returns the items in the archive, in order, each with the offset of its content.
    pub(crate) fn items<'m>(
        &self,
        manifest: &'m Manifest,
    ) -> impl Iterator<Item = (&'m Item, u64)> {
        manifest.carried().zip(self.members[3..].iter().map(Member::content))
    }
}

impl Manifest {
    /// Checks that the bundle keeps the limits of the format. The digests of chunks may be
    /// placeholders.
    pub fn check_limits(&self) -> Result<(), WriteError> {
        let bytes = self.to_bytes()?;
        Ok(Layout::new(self, &bytes).map(drop)?)
    }

    /// Returns the member that contains the byte at `offset`, in its header, content or padding.
    pub fn member_at(&self, offset: u64) -> Result<String, WriteError> {
        let bytes = self.to_bytes()?;
        let layout = Layout::new(self, &bytes)?;
        let items = self.carried().map(|item| item.name().as_str());
        let names = [SIGNATURES, SHA256SUMS, MANIFEST].into_iter().chain(items);
        let found =
            layout.members().iter().zip(names).take_while(|(member, _)| member.at <= offset);
        Ok(found.last().map_or_else(String::new, |(_, name)| name.to_owned()))
    }
}

fn within(what: &'static str, size: u64, limit: u64) -> Result<(), TooLarge> {
    if size > limit { Err(TooLarge { what, size, limit }) } else { Ok(()) }
}

/// Returns the signed root: one line per member, as `sha256sum` writes them.
fn sums(manifest: &Manifest, own: Digest) -> Vec<u8> {
    let lines = manifest.carried().map(|item| (item.sha256(), item.name().as_str()));
    let mut text = String::new();
    for (digest, name) in [(own, MANIFEST)].into_iter().chain(lines) {
        // Writing to a `String` cannot fail.
        let _ = writeln!(text, "{digest}  {name}");
    }
    text.into_bytes()
}
