use anyhow::Context as _;
use camino::Utf8PathBuf;
use serde::Serialize;

use super::apply::put_in_store;
use super::bundle::BundleArg;
use crate::cli::{Exit, Target};
use crate::host::real::{ItemFolder, Program};
use crate::host::{Look, OwnPath, OwnState};
use crate::journal::Depth;
use crate::locked_host::Pending;
use crate::plan::ApplyError;
use crate::store::{Garbage, Intake, Known, Needed, Supply, missing, missing_program, needs};
use crate::ui::{ByteSize, Tone, Ui};

/// Manage the local item store
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Store {
    /// Delete items that are no longer needed.
    ///
    /// Keeps everything needed by applied bundles, by reverting them, and by the last confirmed
    /// bundle of each channel.
    Gc(Gc),
    /// Copy the items of a bundle into the store, and change nothing else.
    ///
    /// Items in the store are read again, and damaged ones are replaced. Each item is copied only
    /// if it has the digest that the bundle signs, wherever it comes from.
    Add(Add),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Gc {
    /// Show what would be deleted, and delete nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Add {
    #[command(flatten)]
    bundle: BundleArg,
    /// Take items that the bundle leaves out from this bundle, or from this folder: the store of
    /// another host (`/var/lib/vgpu-offline/store`) or a copy of it; can be repeated
    #[arg(long, value_name = "PATH")]
    base: Vec<Utf8PathBuf>,
}

impl Store {
    pub(crate) fn run(self, target: Target, ui: &Ui) -> anyhow::Result<Exit> {
        target.check_may_change()?;
        match self {
            Self::Gc(gc) => gc.run(target, ui),
            Self::Add(add) => add.run(target, ui),
        }
    }
}

impl Gc {
    fn run(self, target: Target, ui: &Ui) -> anyhow::Result<Exit> {
        // Requires the lock, because another run may be filling the store.
        let Some(mut locked) = target.find_locked()? else {
            ui.say("the store is empty: no bundle was applied here");
            return Ok(Exit::Done);
        };
        match locked.pending()? {
            Pending::Nothing => {}
            Pending::Apply { tx, .. } => return Err(ApplyError::Unfinished(tx.id).into()),
            Pending::Revert(tx) => return Err(ApplyError::Reverting(tx.id).into()),
            Pending::Remove(_) => return Err(ApplyError::Removing.into()),
        }
        let mut open = Vec::new();
        for tx in locked.open()? {
            let entries = locked.entries(tx.id)?;
            open.push((tx, entries));
        }
        let needed = Needed::of(locked.look(), &open)?;
        let mut garbage = Garbage::find(locked.look(), &needed)?;
        if locked.orphaned_copies()? > 0 {
            // `forget --discard-copies` is the explicit way.
            garbage.undo.clear();
            ui.say("kept: the saved copies of replaced files, because their journal was given up");
        }
        for (what, files) in [
            ("items", &garbage.items),
            ("replaced files", &garbage.undo),
            ("manifests", &garbage.manifests),
        ] {
            show(what, files, ui)?;
        }
        let (goes, stays) = (ByteSize::new(garbage.bytes()), ByteSize::new(garbage.stays));
        ui.outcome(&Pruned { frees: garbage.bytes(), keeps: garbage.stays })?;
        if self.dry_run {
            ui.print(format_args!("would free {goes}, keep {stays}"))?;
        } else {
            garbage.remove(&mut OwnState::of(locked.host()))?;
            let word = ui.paint(Tone::Good, "freed");
            ui.print(format_args!("{word} {goes}, {stays} stay"))?;
        }
        Ok(Exit::Done)
    }
}

/// The effect on the store, in the document about the change.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Pruned {
    /// The bytes of everything that is deleted.
    frees: u64,
    /// The bytes of everything that stays.
    keeps: u64,
}

fn show(what: &str, files: &[(OwnPath, u64)], ui: &Ui) -> std::io::Result<()> {
    for (path, size) in files {
        let name = path.as_path().file_name().unwrap_or_default();
        ui.print(format_args!("{:>10}  {what}: {}", ByteSize::new(*size), name.escape_debug()))?;
    }
    Ok(())
}

impl Add {
    fn run(self, target: Target, ui: &Ui) -> anyhow::Result<Exit> {
        let (_, bundle) = self.bundle.open(&target.host)?;
        let program = Program::read()?;
        let items = missing(&target.host, bundle.manifest(), Depth::Bytes)?;
        let bytes = items.bytes + missing_program(&target.host, &program, Depth::Bytes)?;
        needs(bytes, &[]).check(&target.host)?;
        let supplies = self.supplies(&target.host)?;
        let mut locked = target.open_locked()?;
        let known = Known::of(&bundle);
        let (supplies, depth) = (&supplies[..], Depth::Bytes);
        let intake = Intake { bundle: &bundle, supplies, program: &program, depth };
        put_in_store(locked.host(), intake, known, ui)?;
        Ok(Exit::Done)
    }

    /// Opens the sources of left-out items.
    fn supplies(&self, look: &dyn Look) -> anyhow::Result<Vec<Supply>> {
        let open = |path: &Utf8PathBuf| -> anyhow::Result<Supply> {
            let folder = ItemFolder::open(path);
            if let Some(folder) = folder.with_context(|| format!("cannot open {path:?}"))? {
                return Ok(Supply::Folder(folder));
            }
            let (_, bundle) = BundleArg { path: path.clone() }.open(look)?;
            Ok(Supply::Bundle(Box::new(bundle)))
        };
        self.base.iter().map(open).collect()
    }
}
