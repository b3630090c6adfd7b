//! The root-owned store of verified items, from which everything is applied.
//!
//! A bundle is verified and copied here in one pass over its medium, which can then be removed. Items that
//! the store has already are not read again.

mod bundles;
mod gc;
mod left_out;
mod space;
mod supply;

use std::collections::BTreeSet;

use vgpu_manifest::ui::{Exit, Explain};
use vgpu_manifest::{Bundle, Item, ItemName, Manifest, ReadError, Verified};

pub(crate) use self::bundles::{Bundles, BundlesError, Known};
pub(crate) use self::gc::{Garbage, Needed};
pub(crate) use self::left_out::{LeftOut, holdings};
pub(crate) use self::space::{SpaceError, needs};
pub(crate) use self::supply::Supply;

use crate::host::real::{Program, Staging};
use crate::host::{Content, HostError, Look, RealHost};
use crate::journal::{Depth, is_intact};
use crate::state;
use crate::ui::{Progress, Ui};

/// The items of a bundle that the store lacks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Missing {
    /// Those in the bundle.
    carried: BTreeSet<ItemName>,
    /// Those that the bundle leaves out.
    left_out: Vec<Item>,
    /// The size of all of them in bytes.
    pub(crate) bytes: u64,
    /// The number of items that the store has.
    pub(crate) present: usize,
}

impl Missing {
    /// Checks whether the item is missing.
    pub(crate) fn has(&self, item: &Item) -> bool {
        self.carried.contains(item.name()) || self.left_out.contains(item)
    }

    /// Returns the number of items.
    #[must_use]
    pub(crate) fn count(&self) -> usize {
        self.carried.len() + self.left_out.len()
    }

    /// Checks that the store has every item that the bundle leaves out.
    pub(crate) fn check_left_out(&self) -> Result<(), LeftOut> {
        LeftOut::check(&self.left_out)
    }
}

/// A bundle could not be copied into the store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum StageError {
    /// The store cannot be used.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The bundle could not be read, or its bytes could not be written.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The bundle leaves out items that no source has.
    #[error(transparent)]
    LeftOut(#[from] LeftOut),
    /// This program could not be copied.
    #[error("cannot copy this program into the store: {0}")]
    Program(#[source] std::io::Error),
}

impl Explain for StageError {
    fn exit(&self) -> Option<Exit> {
        match self {
            Self::Read(error) => error.exit(),
            Self::LeftOut(error) => error.exit(),
            Self::Host(_) | Self::Program(_) => None,
        }
    }

    fn hint(&self) -> Option<&str> {
        if let Self::LeftOut(error) = self { error.hint() } else { None }
    }

    fn details(&self) -> &[String] {
        if let Self::LeftOut(error) = self { error.details() } else { &[] }
    }
}

/// Returns the items of `manifest` that the store lacks, each content once. With [`Depth::Bytes`],
/// damaged items count as missing.
pub(crate) fn missing(
    look: &dyn Look,
    manifest: &Manifest,
    depth: Depth,
) -> Result<Missing, HostError> {
    let mut missing = Missing::default();
    let mut seen = BTreeSet::new();
    // A content that the bundle has under one name is not left out under another.
    for item in manifest.carried().chain(manifest.left_out().map(|(item, _)| item)) {
        if !seen.insert(content(item)) {
            continue;
        }
        if has(look, content(item), depth)? {
            missing.present += 1;
            continue;
        }
        missing.bytes += item.size();
        if item.is_carried() {
            missing.carried.insert(item.name().clone());
        } else {
            missing.left_out.push(item.clone());
        }
    }
    Ok(missing)
}

/// Returns the number of bytes that `program` still takes in the store.
pub(crate) fn missing_program(
    look: &dyn Look,
    program: &Program,
    depth: Depth,
) -> Result<u64, HostError> {
    let content = program.content();
    Ok(if has(look, content, depth)? { 0 } else { content.size })
}

/// The sources of what goes into the store.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Intake<'s> {
    pub(crate) bundle: &'s Bundle<Verified>,
    /// The sources of the items that the bundle leaves out.
    pub(crate) supplies: &'s [Supply],
    pub(crate) program: &'s Program,
    /// How closely existing copies are checked; with [`Depth::Bytes`], damaged ones are replaced.
    pub(crate) depth: Depth,
}

/// Verifies the `missing` items and copies them into the store, in one pass, durably.
pub(crate) fn stage(
    host: &RealHost,
    Intake { bundle, supplies, program, depth }: Intake<'_>,
    missing: &Missing,
    progress: &Progress,
    ui: &Ui,
) -> Result<(), StageError> {
    let staging = host.staging()?;
    let fill = || -> Result<(), StageError> {
        let mut left_out = missing.left_out.clone();
        for supply in supplies {
            supply.give(&mut left_out, &staging, progress, ui)?;
        }
        LeftOut::check(&left_out)?;
        let wanted = |item: &Item| missing.carried.contains(item.name());
        bundle.stage(wanted, &staging, &|bytes| progress.add(bytes))?;
        stage_program(host, &staging, program, depth)
    };
    let filled = fill();
    // Intact items stay after an error, so that the next try is shorter.
    staging.finish()?;
    filled
}

fn stage_program(
    host: &RealHost,
    staging: &Staging,
    program: &Program,
    depth: Depth,
) -> Result<(), StageError> {
    if has(host, program.content(), depth)? {
        return Ok(());
    }
    program.stage(staging).map_err(StageError::Program)
}

/// Checks whether the store has this content. Only complete items have their name; their digest is
/// checked again when they are used.
fn has(look: &dyn Look, content: Content, depth: Depth) -> Result<bool, HostError> {
    is_intact(look, &state::stored(content.id), content, depth)
}

fn content(item: &Item) -> Content {
    Content { id: item.id(), size: item.size() }
}
