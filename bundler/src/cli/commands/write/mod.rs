mod contents;
mod copy;
#[cfg(test)]
mod tests;

use std::fs;

use anyhow::Context as _;
use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;
use vgpu_keys::Policy;
use vgpu_manifest::{Digest, PartSize};

use self::contents::{Note, file_name, notes, signers, small_files};
use self::copy::Copy;
use super::Context;
use crate::bounded::{self, MAX_KEYS};
use crate::cli::options::{ProjectArgs, SignerArgs, TrustArgs, part_size};
use crate::stick::{
    self, Found, FromMedium, Linkage, Machine, Medium, Piece, Program, Replace, Room,
};
use crate::ui::{Advise as _, Ui, print_json};

/// Write a bundle and its tools to a stick, and read everything back.
///
/// Writes the bundle, the public keys of its signers, the program for the node with its
/// signature, and START-HERE.txt with instructions. Writes nothing unless everything fits.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Mount point of the stick
    #[arg(value_name = "DIR")]
    folder: Utf8PathBuf,

    /// Bundle, or the first of its parts [default: the bundle of the lock, in this folder]
    #[arg(value_name = "BUNDLE")]
    bundle: Option<Utf8PathBuf>,

    /// Program for the node; without it, the node must have one
    #[arg(long, value_name = "FILE")]
    installer: Option<Utf8PathBuf>,

    /// Signature of the program, from `ssh-keygen -Y sign -n vgpu-installer` [default: FILE.sig;
    /// without it, or with a key option, the program is signed now]
    #[arg(long, value_name = "FILE", requires = "installer", conflicts_with_all = ["key", "agent"])]
    installer_signature: Option<Utf8PathBuf>,

    /// Split the bundle into parts of SIZE, a multiple of 4 MiB [default: split only on FAT32]
    #[arg(long, value_name = "SIZE", value_parser = part_size)]
    part_size: Option<PartSize>,

    /// Replace existing files with different content
    #[arg(long)]
    replace: bool,

    /// Print JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    project: ProjectArgs,
    #[command(flatten)]
    signer: SignerArgs,
    #[command(flatten)]
    trust: TrustArgs,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Report {
    folder: Utf8PathBuf,
    digest: Digest,
    files: Vec<Written>,
    note_on_paper: Vec<Note>,
    read_back: FromMedium,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Written {
    name: String,
    size: u64,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum State {
    Written,
    Replaced,
    WasThere,
}

impl Args {
    pub(crate) fn run(&self, context: &Context) -> anyhow::Result<()> {
        let ui = &context.ui;
        let report = self.write(ui, &Machine)?;
        if self.json {
            return Ok(print_json(&report)?);
        }
        say_what_is_next(ui, &report);
        Ok(())
    }

    fn write(&self, ui: &Ui, medium: &dyn Medium) -> anyhow::Result<Report> {
        let policy = self.trust.resolve()?;
        let bundle = self.trust.open(&self.bundle()?)?;
        let program = self.program(ui, &policy)?;
        let folder = &self.folder;
        let facts = medium
            .facts(folder)
            .with_context(|| format!("cannot use `{folder}`"))
            .hint("name the folder where the stick is mounted; `lsblk` shows it")?;
        warn_if_not_mounted(ui, folder);

        let name = file_name(bundle.manifest());
        let parts = stick::split(&name, bundle.total(), facts.largest_file, self.part_size)?;
        let signers = signers(&bundle, &policy);
        let small = small_files(&bundle, &parts, program.as_ref(), &signers);
        let copy = Copy { ui, bundle: &bundle, folder, parts: &parts };
        let plan = copy.plan(&small)?;
        let replace = if self.replace { Replace::Named } else { Replace::Never };
        plan.check(Room { folder, facts }, replace)?;
        Ok(Report {
            folder: folder.clone(),
            digest: bundle.digest(),
            read_back: copy.carry_out(&plan, &small, &policy)?,
            files: plan.pieces.iter().map(Written::from).collect(),
            note_on_paper: notes(program.as_ref(), &signers),
        })
    }

    fn bundle(&self) -> anyhow::Result<Utf8PathBuf> {
        if let Some(bundle) = &self.bundle {
            return Ok(bundle.clone());
        }
        let lock = self.project.resolve()?.any_lock()?;
        let lock = lock.context("no bundle was named, and there is no lock here")?;
        let whole = Utf8PathBuf::from(lock.file_name());
        let first = Utf8PathBuf::from(format!("{whole}.001"));
        let found = [&whole, &first].into_iter().find(|path| path.is_file()).cloned();
        found
            .with_context(|| format!("there is no bundle `{whole}` here"))
            .hint("run `vgpu-bundler build`, or name the bundle after the folder")
    }

    fn program(&self, ui: &Ui, policy: &Policy) -> anyhow::Result<Option<Program>> {
        let Some(path) = &self.installer else { return Ok(None) };
        let file = Program::read(path)?;
        let beside = Utf8PathBuf::from(format!("{path}.sig"));
        let lies_there = || Some(&beside).filter(|path| path.exists() && !self.signer.is_given());
        let lying_there = self.installer_signature.as_ref().or_else(lies_there);
        let program = if let Some(beside) = lying_there {
            let armor = bounded::read(beside, MAX_KEYS)
                .with_context(|| format!("cannot read `{beside}`"))?;
            Program::signed(path, file, (beside, &armor), policy)
                .hint("name your key with `--key` or `--agent` to sign it again")?
        } else {
            let signer = self.signer.resolve(ui)?;
            Program::sign(path, file, &*signer, policy)
                .hint("the key needs the namespace `vgpu-installer`; see `vgpu-bundler key list`")?
        };
        if program.linkage == Linkage::Dynamic {
            ui.say(format_args!(
                "warning: `{path}` needs libraries of this machine, which a node may not have; \
                 `cargo static-installer` makes one that needs none"
            ));
        }
        Ok(Some(program))
    }
}

impl From<&Piece> for Written {
    fn from(piece: &Piece) -> Self {
        let state = match piece.found {
            Found::Nothing => State::Written,
            Found::Other | Found::Outdated => State::Replaced,
            Found::Same => State::WasThere,
        };
        Self { name: piece.name.clone(), size: piece.size, state }
    }
}

/// Refuses a folder that is not a mount point: without a mounted stick, everything would succeed
/// and the stick would be empty.
fn warn_if_not_mounted(ui: &Ui, folder: &Utf8Path) {
    use std::os::unix::fs::MetadataExt as _;
    let device = |path: &Utf8Path| fs::metadata(path).map(|meta| meta.dev()).ok();
    let absolute = folder.canonicalize_utf8().ok();
    let parent = absolute.as_deref().and_then(Utf8Path::parent);
    if device(folder).is_some() && device(folder) == parent.and_then(device) {
        ui.note(format_args!("`{folder}` is not a mount point; is the stick mounted?"));
    }
}

fn say_what_is_next(ui: &Ui, report: &Report) {
    ui.note(match report.read_back {
        FromMedium::All => "read-back verification from the medium passed",
        FromMedium::Partly => {
            "read-back verification passed, but partly from memory: \
             remove the stick, insert it again, and run `vgpu-bundler verify` on it"
        }
        FromMedium::Unknown => "read-back verification passed",
    });
    ui.say("write down and carry to the node separately from the stick:");
    for Note { principal, fingerprint } in &report.note_on_paper {
        ui.say(format_args!("  {fingerprint}  {principal}"));
    }
    ui.say(format_args!("then unmount `{}`; on the node, follow START-HERE.txt", report.folder));
}
