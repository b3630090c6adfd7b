use anyhow::bail;
use camino::Utf8Path;
use serde::Serialize;
use vgpu_manifest::{BundleName, ItemName};

use super::Context;
use crate::cache::CacheLock;
use crate::cli::options::{InputArgs, Network, Project, UnsuitableArgs};
use crate::lock::{Change, Lock, Outline, all_of, between, lines};
use crate::recipe::Recipe;
use crate::relock::{Pins, is_packages, relock};
use crate::ui::print_json;

/// Re-resolve downloads and update the lock
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Items to update [default: all]. `apt` means all packages, `apt/RELEASE` those of a release
    #[arg(value_name = "ITEM")]
    items: Vec<ItemName>,

    /// Print JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    inputs: InputArgs,
    #[command(flatten)]
    unsuitable: UnsuitableArgs,
}

impl Args {
    pub(crate) fn run(&self, context: &Context) -> anyhow::Result<()> {
        let (project, network) = self.inputs.resolve()?;
        let Recipe { entries, apt, .. } = &project.recipe;
        let is_known = |item: &&ItemName| {
            entries.iter().any(|entry| entry.name == **item)
                || apt.iter().any(|apt| is_packages(item, &apt.release))
        };
        if let Some(unknown) = self.items.iter().find(|item| !is_known(item)) {
            bail!("the recipe has no item `{unknown}`");
        }
        let cache = context.cache()?;
        let lock = context.lock(&cache)?;
        let pins = Pins::Renew(&self.items);
        let relocked = write_lock(context, &project, &network, &lock, pins, self.unsuitable)?;
        if self.json { relocked.print(&project) } else { Ok(()) }
    }
}

/// A lock and the fate of its file.
#[derive(Debug)]
pub(super) struct Relocked {
    pub(super) lock: Lock,
    state: State,
    changes: Vec<Change>,
}

/// A lock and its changes.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Report<'r> {
    /// The file of the lock.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    lock: &'r Utf8Path,
    /// The name of the bundle.
    name: &'r BundleName,
    /// The sequence of the lock.
    sequence: u64,
    /// The state of the file.
    state: State,
    /// The changes; all contents, if there was no lock.
    changes: &'r [Change],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
enum State {
    Written,
    UpToDate,
}

impl Relocked {
    /// Prints it as JSON.
    pub(super) fn print(&self, project: &Project) -> anyhow::Result<()> {
        let Self { lock, state, changes } = self;
        Ok(print_json(&Report {
            lock: &project.lock_path,
            name: &lock.name,
            sequence: lock.sequence,
            state: *state,
            changes,
        })?)
    }
}

/// Writes the lock of a recipe and shows the changes.
pub(super) fn write_lock(
    context: &Context,
    project: &Project,
    network: &Network,
    cache: &CacheLock<'_>,
    pins: Pins<'_>,
    unsuitable: UnsuitableArgs,
) -> anyhow::Result<Relocked> {
    let previous = project.any_lock()?;
    let sources = context.sources(project, network, cache);
    let lock = relock(&sources, &project.recipe, previous.as_ref(), pins)?;
    unsuitable.check(context, &project.catalog.catalog, &lock)?;

    let path = &project.lock_path;
    if previous.as_ref() == Some(&lock) {
        Lock::confirm(path)?;
        context.ui.note(format_args!("`{path}` is up to date"));
        return Ok(Relocked { lock, state: State::UpToDate, changes: Vec::new() });
    }
    lock.write(path)?;
    let new = Outline::from(&lock);
    let changes = match &previous {
        Some(previous) => between(&Outline::from(previous), &new),
        None => all_of(&new),
    };
    for line in lines(&changes) {
        context.ui.note(line);
    }
    for proof in previous.iter().flat_map(|previous| &previous.proofs) {
        if !lock.proofs.contains(proof) {
            let kernel = &proof.kernel;
            context.ui.note(format_args!(
                "the build for kernel {kernel} was of other items; run `vgpu-bundler prove` again"
            ));
        }
    }
    context.ui.note(format_args!("wrote `{path}`: {} {}", lock.name, lock.sequence));
    Ok(Relocked { lock, state: State::Written, changes })
}
