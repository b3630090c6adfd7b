mod contents;
mod copy;
#[cfg(test)]
mod tests;

use std::fs;

use anyhow::{Context as _, anyhow};
use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;
use vgpu_keys::Policy;
use vgpu_manifest::{Digest, PartSize};

use self::contents::{Note, notes, signers, small_files};
use self::copy::Copy;
use super::Context;
use crate::bounded::{self, MAX_KEYS};
use crate::cli::options::{ProjectArgs, SignerArgs, TrustArgs, part_size};
use crate::stick::{
    self, Found, FromMedium, Linkage, Machine, Medium, Piece, Program, Replace, Room, Staging,
};
use crate::ui::{Advise as _, Ui, print_json};

/// Write a bundle and its tools to a stick, and read everything back.
///
/// Writes the bundle, the public keys of its signers, the program for the node with its
/// signature, and START-HERE.txt with instructions. Writes nothing unless everything fits.
/// With --iso, all of it becomes an image, for virtual media or a storage of Proxmox VE.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "they are flags of the command line")]
pub(crate) struct Args {
    /// Mount point of the stick; with --iso, the image file to write
    #[arg(value_name = "TARGET")]
    target: Utf8PathBuf,

    /// Write an ISO image instead of files in a folder
    #[arg(long)]
    iso: bool,

    /// Bundle, or the first of its parts [default: the bundle of the lock, in this folder]
    #[arg(value_name = "BUNDLE")]
    bundle: Option<Utf8PathBuf>,

    /// Program for the node [default: that of the Debian package `vgpu-installer`; if it is not
    /// installed, the node must have one]
    #[arg(long, value_name = "FILE")]
    installer: Option<Utf8PathBuf>,

    /// Write no program: the node has one
    #[arg(long, conflicts_with = "installer")]
    no_installer: bool,

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

/// A stick or an image that was written.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Report {
    #[serde(flatten)]
    place: Place,
    /// The digest of the bundle's signed root.
    digest: Digest,
    /// The files.
    files: Vec<Written>,
    /// The fingerprints to carry on paper.
    note_on_paper: Vec<Note>,
    /// The share of the bytes that was read back from the medium.
    read_back: FromMedium,
}

/// The place of the files.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
enum Place {
    Folder(#[cfg_attr(feature = "schema", schemars(with = "String"))] Utf8PathBuf),
    Image(#[cfg_attr(feature = "schema", schemars(with = "String"))] Utf8PathBuf),
}

#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
struct Written {
    /// The path on the medium.
    name: String,
    /// The size in bytes.
    size: u64,
    /// The effect on the file.
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
        let staging = self.iso.then(|| self.staging()).transpose()?;
        let folder = staging.as_ref().map_or(&self.target, |staging| &staging.folder);
        let facts = medium
            .facts(folder)
            .with_context(|| format!("cannot use `{folder}`"))
            .hint("name the folder where the stick is mounted; `lsblk` shows it")?;
        if staging.is_none() {
            warn_if_not_mounted(ui, folder);
        }
        let largest = if self.iso { Some(stick::LARGEST_FILE) } else { facts.largest_file };

        let name = bundle.manifest().file_name();
        let parts = stick::split(&name, bundle.total(), largest, self.part_size)?;
        let signers = signers(&bundle, &policy);
        let small = small_files(&bundle, &parts, program.as_ref(), &signers);
        let copy = Copy { ui, bundle: &bundle, folder, parts: &parts };
        let plan = copy.plan(&small)?;
        let replace = if self.replace { Replace::Named } else { Replace::Never };
        plan.check(Room { folder, facts }, replace)?;
        copy.write(&plan, &small)?;
        let names: Vec<&str> = plan.pieces.iter().map(|piece| piece.name.as_str()).collect();
        let hint =
            "the stick, its reader or this machine's memory may be failing; use another stick";
        let (place, read_back) = match &staging {
            None => (Place::Folder(folder.clone()), copy.read_back(&small, &policy).hint(hint)?),
            Some(staging) => {
                let image = staging.write(&names, bundle.manifest().created)?;
                let read_back = copy.read_back_image(&image, &small)?;
                image.finish()?;
                (Place::Image(self.target.clone()), read_back)
            }
        };
        Ok(Report {
            place,
            digest: bundle.digest(),
            read_back,
            files: plan.pieces.iter().map(Written::from).collect(),
            note_on_paper: notes(program.as_ref(), &signers),
        })
    }

    /// Returns the folder for the files of an image.
    fn staging(&self) -> anyhow::Result<Staging> {
        if self.target.symlink_metadata().is_ok() && !self.replace {
            return Err(anyhow!("`{}` exists", self.target))
                .hint("name another file; `--replace` replaces it");
        }
        Staging::beside(&self.target)
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

    fn installer(&self) -> Option<Utf8PathBuf> {
        if self.no_installer {
            return None;
        }
        self.installer.clone().or_else(stick::installed)
    }

    fn program(&self, ui: &Ui, policy: &Policy) -> anyhow::Result<Option<Program>> {
        let Some(path) = &self.installer() else { return Ok(None) };
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
             insert the medium again, and run `vgpu-bundler verify` on it"
        }
        FromMedium::Unknown => "read-back verification passed",
    });
    ui.say("write down and carry to the node separately from the stick:");
    for Note { principal, fingerprint } in &report.note_on_paper {
        ui.say(format_args!("  {fingerprint}  {principal}"));
    }
    ui.say(match &report.place {
        Place::Folder(folder) => {
            format!("then unmount `{folder}`; on the node, follow START-HERE.txt")
        }
        Place::Image(image) => {
            format!("then attach `{image}` to the node, mount it, and follow START-HERE.txt")
        }
    });
}
