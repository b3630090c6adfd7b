//! What a bundle is made of, in the two forms that tools for that read.
//!
//! [`model`] says it once, from the manifest and from the `Cargo.lock`s that lie in its trees;
//! [`spdx`] and [`cyclonedx`] write that down. The same bundle always gives the same text: dates
//! are those of its lock, and identifiers come from its digest.

mod crates;
mod cyclonedx;
mod model;
mod purl;
mod spdx;
#[cfg(test)]
mod tests;

use vgpu_manifest::{Bundle, Verified};

pub(crate) use self::crates::CratesError;
use self::model::Bom;

/// The form of a bill of materials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Form {
    /// SPDX 2.3, as JSON.
    Spdx,
    /// CycloneDX 1.6, as JSON.
    Cyclonedx,
}

/// What `bundle` is made of. Its trees are read, each byte when it is proven.
pub(crate) fn of(bundle: &Bundle<Verified>, form: Form) -> Result<serde_json::Value, CratesError> {
    let crates = crates::of(bundle)?;
    let bom = Bom::new(bundle.manifest(), bundle.digest(), &crates);
    Ok(match form {
        Form::Spdx => spdx::document(&bom),
        Form::Cyclonedx => cyclonedx::document(&bom),
    })
}
