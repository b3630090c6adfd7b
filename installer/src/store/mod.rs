//! The root-owned store of verified items, from which everything is applied.
//!
//! A bundle is checked and copied here in one pass over its medium, which may be pulled
//! afterwards. What is here already is not read again.

mod bundles;
mod gc;
mod space;

use std::collections::BTreeSet;

use vgpu_manifest::ui::{Exit, Explain};
use vgpu_manifest::{Bundle, Item, ItemName, Manifest, ReadError, Verified};

pub use self::bundles::{Bundles, BundlesError, Known};
pub use self::gc::{Garbage, GcError, Needed};
pub use self::space::{Needs, SpaceError, needs};

use crate::host::real::{Program, Staging};
use crate::host::{Content, HostError, Kind, Look, RealHost};
use crate::state;
use crate::ui::Progress;

/// What of a bundle has to be copied into the store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Missing {
    items: BTreeSet<ItemName>,
    /// How many bytes that are.
    pub bytes: u64,
}

impl Missing {
    /// How many items have to be copied.
    #[must_use]
    pub fn count(&self) -> usize {
        self.items.len()
    }
}

/// A bundle could not be brought into the store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StageError {
    /// The store cannot be used.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The bundle could not be read, or its bytes not be written.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// This program could not be copied.
    #[error("cannot copy this program into the store: {0}")]
    Program(#[source] std::io::Error),
}

impl Explain for StageError {
    fn exit(&self) -> Option<Exit> {
        match self {
            Self::Read(error) => error.exit(),
            Self::Host(_) | Self::Program(_) => None,
        }
    }
}

/// The items of `manifest` that the store does not have, each content once.
pub fn missing(look: &dyn Look, manifest: &Manifest) -> Result<Missing, HostError> {
    let mut missing = Missing::default();
    let mut seen = BTreeSet::new();
    for item in &manifest.items {
        if seen.insert(item.id()) && !has(look, content(item))? {
            missing.items.insert(item.name().clone());
            missing.bytes += item.size();
        }
    }
    Ok(missing)
}

/// How many bytes `program` takes in the store, if it is not there.
pub fn missing_program(look: &dyn Look, program: &Program) -> Result<u64, HostError> {
    let content = program.content();
    Ok(if has(look, content)? { 0 } else { content.size })
}

/// Check the items that are `missing` and copy them into the store, in one pass, durably.
pub fn stage(
    host: &RealHost,
    bundle: &Bundle<Verified>,
    missing: &Missing,
    program: &Program,
    progress: &Progress,
) -> Result<(), StageError> {
    let staging = host.staging()?;
    let wanted = |item: &Item| missing.items.contains(item.name());
    let staged = bundle.stage(wanted, &staging, &|bytes| progress.add(bytes));
    let staged = match staged {
        Ok(()) => stage_program(host, &staging, program),
        Err(error) => Err(error.into()),
    };
    // What was intact is kept whatever came after it, so that another try is shorter.
    staging.finish()?;
    staged
}

fn stage_program(host: &RealHost, staging: &Staging, program: &Program) -> Result<(), StageError> {
    if has(host, program.content())? {
        return Ok(());
    }
    program.stage(staging).map_err(StageError::Program)
}

/// Whether the store has this content. A name in the store is given only to what is complete; its
/// digest is checked again by whatever is made from it.
fn has(look: &dyn Look, content: Content) -> Result<bool, HostError> {
    let stat = look.stat(&state::stored(content.id))?;
    Ok(stat.is_some_and(|stat| stat.kind == Kind::File && stat.size == content.size))
}

fn content(item: &Item) -> Content {
    Content { id: item.id(), size: item.size() }
}
