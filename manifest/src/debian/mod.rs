//! The signed documents of a Debian package archive: what leads from the key of the archive to each
//! of its packages in a bundle.
//!
//! `InRelease` is a signed text that lists the indexes by digest, and each index lists packages by
//! digest. Signatures are checked elsewhere, by `gpgv` or `sqv`.

mod clear;
mod index;
mod release;
mod stanza;

pub use self::clear::{FrameError, split_signed};
pub use self::index::{IndexError, IndexSearch, MAX_INDEX, relation_fields};
pub use self::release::{ReleaseFile, ReleaseFiles, ReleaseFilesError};
pub use self::stanza::{Stanza, StanzaError};
