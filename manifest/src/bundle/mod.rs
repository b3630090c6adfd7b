//! A bundle on a medium: reading it without trusting the medium, and writing it.

mod copy;
mod cosign;
mod damage;
mod header;
mod layout;
mod measure;
mod parts;
mod policies;
mod read;
mod write;

pub use self::copy::CopyError;
pub use self::cosign::CosignError;
pub use self::layout::{SIGNATURES_AT, TooLarge};
pub use self::measure::{Measure, Measured, parallel};
pub use self::parts::{PartSize, PartsError};
pub use self::policies::PoliciesError;
pub use self::read::{Damage, PIECE, PartFault, Progress, ReadError, Sink};
pub use self::write::{Source, Target, WriteError, write_bundle};

use camino::Utf8Path;
use vgpu_keys::{Distrust, Policy, Role, SLOTS_LEN, SignedPolicies, Slots, SlotsError, Trusted};

use self::header::{BLOCK, Header, padded, read_size};
use self::layout::{Layout, SUMS_HEADER_AT};
use self::parts::Parts;
use self::policies::{check_policies, read_policies};
use self::read::remedy;
use crate::limits::{MAX_MANIFEST, MAX_SUMS};
use crate::types::{MANIFEST, SHA256SUMS};
use crate::{Digest, Item, Manifest, ManifestError};

// A header has room for the size of the largest item.
const _: () = assert!(crate::limits::MAX_ITEM == header::MAX_SIZE);

/// A bundle on a medium: one file, or its parts.
///
/// `S` is its verification state. The only operations on a `Bundle<Unverified>` are verification and
/// [`successors`](Bundle::successors), which returns only policies with enough signatures. Only the resulting `Bundle<Verified>` gives access to the manifest and the payload.
///
/// ```compile_fail,E0599
/// fn peek(bundle: &vgpu_manifest::Bundle<vgpu_manifest::Unverified>) {
///     bundle.manifest(); // no such method
/// }
/// ```
///
/// ```compile_fail,E0599
/// fn peek(bundle: &vgpu_manifest::Bundle<vgpu_manifest::Unverified>) {
///     bundle.check(&|_| {}); // no such method
/// }
/// ```
#[derive(Debug)]
pub struct Bundle<S> {
    pub(crate) parts: Parts,
    pub(crate) state: S,
}

/// The signatures have not been checked.
#[derive(Debug)]
pub struct Unverified {
    signatures: Box<[u8; SLOTS_LEN]>,
    sums: Vec<u8>,
    manifest: Vec<u8>,
    policies: Option<Vec<u8>>,
}

/// Enough trusted principals have signed the bundle, and the archive has the signed layout.
///
/// The bytes of the payload have not been checked: each chunk is verified when it is read.
#[derive(Debug)]
pub struct Verified {
    pub(crate) manifest: Manifest,
    pub(crate) layout: Layout,
    policies: Option<SignedPolicies>,
    slots: Slots,
    trusted: Trusted,
    digest: Digest,
}

/// The reason why a bundle was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The file, or one of its parts, cannot be used.
    #[error(transparent)]
    Parts(#[from] PartsError),
    /// Reading failed.
    #[error("cannot read {what}")]
    Read {
        /// The data that was being read.
        what: String,
        /// The cause.
        source: std::io::Error,
    },
    /// The file is not a bundle, or its beginning is damaged.
    #[error("this is not a bundle, or its beginning is damaged: {0}")]
    NotABundle(&'static str),
    /// The member with the signatures is not canonical.
    #[error("the signatures of the bundle are damaged or were tampered with")]
    Signatures(#[from] SlotsError),
    /// Too few trusted principals have signed.
    #[error("the bundle is not trusted")]
    Distrusted(#[from] Distrust),
    /// `SHA256SUMS` is signed, but does not match the manifest.
    #[error("the manifest is not the one that was signed")]
    WrongManifest,
    /// The manifest matches its signature, but cannot be used.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The manifest and `SHA256SUMS`, both signed, contradict each other.
    #[error(
        "`SHA256SUMS` and `MANIFEST.json` contradict each other; the bundle was signed with another program"
    )]
    Contradiction,
    /// The sizes in the manifest add up to too much.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// The signed policies cannot be used.
    #[error(transparent)]
    Policies(#[from] PoliciesError),
    /// Between the members, the archive differs from the manifest.
    #[error("{0}")]
    Archive(FrameDamage),
}

/// A byte outside of any content is not the required one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameDamage {
    /// The place.
    pub place: Place,
    /// The damage of the part that contains the place, if the bundle is split.
    pub part: Option<PartFault>,
}

impl std::fmt::Display for FrameDamage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the archive is damaged or was tampered with {}", self.place)?;
        remedy(f, self.part.as_ref())
    }
}

/// A place in the archive outside of any content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// The header before this member.
    Header(String),
    /// The zeros after this member.
    Padding(String),
    /// The two blocks that end the archive.
    End,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Header(name) => write!(f, "in the header of `{name}`"),
            Self::Padding(name) => write!(f, "in the zeros after `{name}`"),
            Self::End => f.write_str("in the two blocks at its end"),
        }
    }
}

impl Bundle<Unverified> {
    /// Opens the bundle that consists of, or begins with, the file `first`.
    ///
    /// Reads only the members that verification needs: the signatures, `SHA256SUMS`, the manifest and
    /// signed policies, each within its limit. Parses nothing.
    pub fn open(first: &Utf8Path) -> Result<Self, VerifyError> {
        let parts = Parts::open(first)?;
        let mut signatures = Box::new([0; SLOTS_LEN]);
        read(&parts, SIGNATURES_AT, &mut *signatures, "the signatures")?;
        let sums = read_member(&parts, SUMS_HEADER_AT, SHA256SUMS, MAX_SUMS)?;
        let manifest_at = SUMS_HEADER_AT + BLOCK + padded(sums.len() as u64);
        let manifest = read_member(&parts, manifest_at, MANIFEST, MAX_MANIFEST)?;
        let policies_at = manifest_at + BLOCK + padded(manifest.len() as u64);
        let policies = read_policies(&parts, policies_at)?;
        Ok(Self { parts, state: Unverified { signatures, sums, manifest, policies } })
    }

    /// Verifies the bundle against `policy`, and parses the manifest only after that.
    ///
    /// The order: every signature, the threshold, the manifest's digest, the manifest, then each
    /// header, each gap and the length of the archive against the layout from the manifest.
    pub fn verify(self, policy: &Policy) -> Result<Bundle<Verified>, VerifyError> {
        let Self { parts, state: Unverified { signatures, sums, manifest: bytes, policies } } =
            self;
        let slots = Slots::parse(&signatures)?;
        let trusted = policy.judge(Role::Bundle, &sums, &slots.signatures())?;

        let signed = Digest::of(&bytes).to_string();
        if !sums.starts_with(signed.as_bytes()) {
            return Err(VerifyError::WrongManifest);
        }
        let manifest = Manifest::parse(&bytes)?;
        let layout = Layout::new(&manifest, &bytes)?;
        if layout.sums != sums {
            return Err(VerifyError::Contradiction);
        }
        parts.check_lengths(layout.total)?;
        let digest = Digest::of(&sums);
        let state = Verified { manifest, layout, policies: None, slots, trusted, digest };
        let mut bundle = Bundle { parts, state };
        bundle.check_frame()?;
        bundle.state.policies = check_policies(bundle.manifest(), policies.as_deref())?;
        Ok(bundle)
    }
}

impl Bundle<Verified> {
    /// Returns the manifest.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.state.manifest
    }

    /// Returns the principals that have signed it.
    #[must_use]
    pub fn trusted(&self) -> &Trusted {
        &self.state.trusted
    }

    /// Returns its signatures by slot, including those that do not count.
    #[must_use]
    pub fn slots(&self) -> &Slots {
        &self.state.slots
    }

    /// Returns the digest of the signed root, `SHA256SUMS`, which identifies the whole bundle.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.state.digest
    }

    /// The length of the whole archive in bytes.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.state.layout.total
    }

    /// Compares all bytes that are not content with the required ones.
    fn check_frame(&self) -> Result<(), VerifyError> {
        let layout = &self.state.layout;
        let mut name = String::new();
        let mut end = 0;
        for (member, next) in layout.members().iter().zip(self.member_names()) {
            self.check_zeros(end, member.at, || Place::Padding(name.clone()))?;
            let mut header: Header = [0; 512];
            read(&self.parts, member.at, &mut header, "a header")?;
            if header != member.header {
                return Err(self.frame_damage(Place::Header(next.to_owned()), member.at, BLOCK));
            }
            end = member.end();
            next.clone_into(&mut name);
        }
        self.check_zeros(end, padded(end), || Place::Padding(name.clone()))?;
        self.check_zeros(padded(end), layout.total, || Place::End)
    }

    fn member_names(&self) -> impl Iterator<Item = &str> {
        let items = self.state.manifest.carried().map(|item: &Item| item.name().as_str());
        [crate::types::SIGNATURES, SHA256SUMS, MANIFEST].into_iter().chain(items)
    }

    /// Checks that all bytes between `from` and `to`, which are at most two blocks, are zero.
    fn check_zeros(
        &self,
        from: u64,
        to: u64,
        place: impl Fn() -> Place,
    ) -> Result<(), VerifyError> {
        let mut gap = vec![0; usize::try_from(to - from).unwrap_or_default()];
        read(&self.parts, from, &mut gap, "the archive")?;
        if gap.iter().all(|&byte| byte == 0) {
            Ok(())
        } else {
            Err(self.frame_damage(place(), from, to - from))
        }
    }

    fn frame_damage(&self, place: Place, at: u64, len: u64) -> VerifyError {
        VerifyError::Archive(FrameDamage { place, part: self.part_fault(at, len) })
    }
}

/// Returns the content of one of the archive's own members, whose size is known only from its
/// header.
fn read_member(parts: &Parts, at: u64, name: &str, limit: u64) -> Result<Vec<u8>, VerifyError> {
    let mut header: Header = [0; 512];
    read(parts, at, &mut header, name)?;
    let size =
        read_size(&header).ok_or(VerifyError::NotABundle("the size of a member is malformed"))?;
    if size > limit {
        return Err(VerifyError::NotABundle("one of the first members exceeds its size limit"));
    }
    let mut content = vec![0; usize::try_from(size).unwrap_or_default()];
    read(parts, at + BLOCK, &mut content, name)?;
    Ok(content)
}

fn read(parts: &Parts, at: u64, buf: &mut [u8], what: &str) -> Result<(), VerifyError> {
    parts.read_exact_at(buf, at).map_err(|source| match source.kind() {
        std::io::ErrorKind::UnexpectedEof => {
            VerifyError::NotABundle("the file ends within the first members")
        }
        _ => VerifyError::Read { what: what.to_owned(), source },
    })
}
