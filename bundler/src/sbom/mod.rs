//! The bill of materials of a bundle, in the two common formats.
//!
//! [`model`] collects the data from the manifest and the `Cargo.lock` files in its trees; [`spdx`]
//! and [`cyclonedx`] format it. The same bundle always gives the same text: dates are those of its
//! lock, and identifiers come from its digest.

mod crates;
mod cyclonedx;
mod model;
mod program;
mod purl;
mod spdx;
#[cfg(test)]
mod tests;

use vgpu_manifest::{Bundle, Verified};

pub(crate) use self::crates::CratesError;
use self::model::Bom;
pub use self::program::BuiltProgram;

/// The format of a bill of materials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Form {
    /// SPDX 2.3, as JSON.
    Spdx,
    /// CycloneDX 1.6, as JSON.
    Cyclonedx,
}

/// Returns the bill of materials of `bundle`. Reads its trees and verifies every byte.
pub(crate) fn of(bundle: &Bundle<Verified>, form: Form) -> Result<serde_json::Value, CratesError> {
    let crates = crates::of(bundle)?;
    let bom = Bom::new(bundle.manifest(), bundle.digest(), &crates);
    Ok(match form {
        Form::Spdx => spdx::document(&bom),
        Form::Cyclonedx => cyclonedx::document(&bom),
    })
}
