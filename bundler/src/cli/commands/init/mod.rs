//! New recipes, from flags, an inventory, or a short conversation.

mod archive_arg;
mod command;
mod packages;
mod talk;
#[cfg(test)]
mod tests;
mod text;

use std::io;

use anyhow::{Context as _, anyhow};
use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;
use vgpu_keys::Channel;
use vgpu_manifest::catalog::{Catalog, Driver, Release};
use vgpu_manifest::inventory::Inventory;
use vgpu_manifest::platform::PciId;
use vgpu_manifest::ui::Exit;
use vgpu_manifest::verdict::Targets;
use vgpu_manifest::{BundleName, ItemName, KernelWord, ModprobeLine, ModuleName};

use self::archive_arg::{KeysArg, MirrorArg};
use self::packages::Packages;
use super::Context;
use crate::apt::day;
use crate::assist::Licensing;
use crate::assist::expansion::{LongForm, Surroundings};
use crate::assist::proposal::{Known, Proposal, Wish};
use crate::catalog::Extended;
use crate::cli::options::{MachineArgs, gpu};
use crate::items::driver::HostFile;
use crate::outfile;
use crate::recipe::NAME;
use crate::relock::now;
use crate::types::{HttpUrl, LocalPath};
use crate::ui::{Advise as _, print_json};

/// Write a new recipe.
///
/// With `--inventory` or `--gpu`, proposes the best driver for that machine with everything it
/// needs, and explains why others do not fit.
///
/// On a terminal, prompts for everything that flags leave open and shows the equivalent command
/// line before it writes anything. Without a terminal, never prompts.
#[derive(Debug, Clone, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(crate) struct Args {
    /// Recipe to write
    #[arg(long, short, value_name = "FILE", default_value = "bundle.toml")]
    recipe: Utf8PathBuf,

    /// Name of the bundle; prompts if missing [default: vgpu]
    #[arg(long)]
    name: Option<BundleName>,

    /// Channel of the bundle; a node accepts the channels of its policy [default: stable]
    #[arg(long)]
    channel: Option<Channel>,

    /// Add a file or download: `driver.run=https://…` or `hook.sh=files/hook.sh`
    #[arg(long, value_name = "ITEM=PATH|URL", value_parser = named::<FileSource>)]
    file: Vec<(ItemName, FileSource)>,

    /// Add a folder: `src/unlock.tar.zst=unlock`
    #[arg(long, value_name = "ITEM=FOLDER", value_parser = named::<LocalPath>)]
    tree: Vec<(ItemName, LocalPath)>,

    /// GPU to use for vGPU [default: those of the inventory]
    #[arg(long, value_name = "ID", value_parser = gpu, help_heading = "The machine")]
    gpu: Vec<PciId>,

    /// vGPU release [default: the best one]
    #[arg(long, value_name = "RELEASE", help_heading = "The machine")]
    driver: Option<Release>,

    /// Host driver or portal .zip, relative to the recipe [default: inputs/ and its name]
    #[arg(long, value_name = "FILE", help_heading = "The machine", conflicts_with = "passthrough")]
    driver_file: Option<LocalPath>,

    /// Pass each GPU through to one guest
    #[arg(long, conflicts_with = "driver", help_heading = "The machine")]
    passthrough: bool,

    #[command(flatten, next_help_heading = "The machine")]
    machine: MachineArgs,

    /// Use the mirrors of the inventory; without this option they are commented out in the recipe
    #[arg(long, requires = "inventory", help_heading = "Packages")]
    accept_mirrors: bool,

    /// Use this mirror of an archive instead of those of the inventory: `debian`,
    /// `debian-security`, `pve-no-subscription` or `pve-enterprise`
    #[arg(long, value_name = "ARCHIVE=ADDRESS", help_heading = "Packages")]
    mirror: Vec<MirrorArg>,

    /// Keys of a mirror that signs an archive itself. The keys of Debian and Proxmox are known
    #[arg(long, value_name = "ARCHIVE=FILE=FINGERPRINT,…", help_heading = "Packages")]
    archive_key: Vec<KeysArg>,

    /// Guest licensing: `nvidia-dls` (NVIDIA License System), `fastapi-dls[=IMAGE]` (third-party,
    /// its image is bundled) or `none` [default: none]
    #[arg(long, value_name = "SERVICE", help_heading = "Licensing")]
    licensing: Option<Licensing>,

    /// Enable the IOMMU on the host
    #[arg(long, help_heading = "The host")]
    iommu: bool,

    /// Kernel parameter for the host
    #[arg(long, value_name = "WORD", help_heading = "The host")]
    kernel_word: Vec<KernelWord>,

    /// Module to load at boot
    #[arg(long, value_name = "MODULE", help_heading = "The host")]
    module: Vec<ModuleName>,

    /// modprobe configuration line, such as `blacklist nouveau`
    #[arg(long, value_name = "LINE", help_heading = "The host")]
    modprobe: Vec<ModprobeLine>,

    /// Never prompt
    #[arg(long, help_heading = None::<&str>)]
    no_input: bool,

    /// Print JSON
    #[arg(long, help_heading = None::<&str>)]
    json: bool,

    #[arg(skip)]
    known: Box<Known>,
}

/// A new recipe.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Report<'r> {
    /// The file of the recipe.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    recipe: &'r Utf8Path,
    /// The name of the bundle.
    name: &'r BundleName,
    /// The items that the recipe has.
    items: Vec<ItemName>,
    /// The chosen driver and mode; `null` without a GPU.
    choice: Option<String>,
    /// The machines that the bundle is for.
    targets: Option<Targets>,
    /// The Debian packages; `null` without any.
    packages: Option<Packages>,
    /// A sentence about licenses for guests.
    licensing: String,
}

/// Returns the usage error for an option that has no effect here.
fn without_effect(option: &str) -> anyhow::Error {
    let message = format!(
        "`{option}` has no effect: it applies only to a vGPU driver for a machine given by `--inventory` or `--gpu`"
    );
    Exit::Usage.error(message).into()
}

/// The value of `--file`.
#[derive(Debug, Clone)]
enum FileSource {
    Path(LocalPath),
    Url(HttpUrl),
}

impl std::str::FromStr for FileSource {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.contains("://") { parse(text).map(Self::Url) } else { parse(text).map(Self::Path) }
    }
}

fn named<T: std::str::FromStr>(text: &str) -> Result<(ItemName, T), String>
where
    T::Err: ToString,
{
    let (name, source) = text.split_once('=').ok_or("expected ITEM=…")?;
    Ok((parse(name)?, parse(source)?))
}

fn parse<T: std::str::FromStr>(text: &str) -> Result<T, String>
where
    T::Err: ToString,
{
    text.parse().map_err(|error: T::Err| error.to_string())
}

impl Args {
    pub(crate) fn run(&self, context: &Context) -> anyhow::Result<()> {
        let ui = &context.ui;
        let path = &self.recipe;
        // Check before the conversation, not after it.
        if path.symlink_metadata().is_ok() {
            return not_written(path, io::ErrorKind::AlreadyExists.into());
        }
        let folder = path.parent().unwrap_or(Utf8Path::new(""));
        let mut catalog = Extended::load(folder)?.catalog;
        let mut args = self.clone();
        args.known.month = day(now()?).get(..7).and_then(|month| month.parse().ok());
        args.read_driver(&mut catalog)?;
        if let Some(prompt) = ui.prompt().filter(|_| !self.no_input) {
            talk::complete(&prompt, &mut args, &catalog)?;
            args.read_driver(&mut catalog)?;
        }
        let name = args.name.clone().map_or_else(|| NAME.parse(), Ok)?;
        let inventory = args.machine.inventory()?;
        let proposal = args.proposal(&catalog, inventory.as_ref());
        let proposal = proposal.context("cannot propose a recipe for this machine");
        let proposal = proposal
            .hint("run `vgpu-bundler catalog why` to see why each driver fits or does not")?;
        let packages = Packages::of(&args, proposal.as_ref(), inventory.as_ref())?;
        if args.driver_file.is_some() && packages.is_none() {
            return Err(without_effect("--driver-file"));
        }
        let text = text::recipe(&args, &name, proposal.as_ref(), packages.as_ref())?;
        // Parse the recipe now, so that colliding items fail here and not in `lock`.
        let surroundings = Surroundings::here(&catalog);
        let recipe = LongForm::of_text(path, &text, surroundings)?.recipe(path)?;
        put(path, &text)?;

        let choice = proposal.as_ref().map(Proposal::choice);
        let made = choice.as_ref().map(|it| format!(": {it}")).unwrap_or_default();
        ui.note(format_args!("wrote `{path}`{made}; edit it, then run `vgpu-bundler lock`"));
        proposal.iter().flat_map(Proposal::reasons).for_each(|line| ui.note(line));
        let licensing = args.licensing.unwrap_or_default();
        packages.iter().flat_map(|it| it.to_do(path)).for_each(|line| ui.note(line));
        // A conversation has shown it already.
        let notice = self.licensing.iter().flat_map(Licensing::notice);
        notice.for_each(|line| ui.note(line));
        if args.json {
            let items = recipe.entries.iter().map(|entry| entry.name.clone()).collect();
            let (targets, licensing) = (recipe.targets.clone(), licensing.to_string());
            let name = &recipe.name;
            print_json(&Report {
                recipe: path,
                name,
                items,
                choice,
                targets,
                packages,
                licensing,
            })?;
        }
        Ok(())
    }

    /// Reads the driver file, if it is there: its version decides the release.
    fn read_driver(&mut self, catalog: &mut Catalog) -> anyhow::Result<()> {
        let Some(file) = &self.driver_file else { return Ok(()) };
        let folder = self.recipe.parent().unwrap_or(Utf8Path::new(""));
        self.known.file = HostFile::read(&file.below(folder))?;
        if let Some(HostFile { version, .. }) = &self.known.file {
            catalog.admit(version, self.driver);
        }
        Ok(())
    }

    /// Returns the release of `--driver`, or that of the driver file.
    fn release(&self, catalog: &Catalog) -> anyhow::Result<Option<Release>> {
        let Some(HostFile { version, .. }) = &self.known.file else { return Ok(self.driver) };
        let of_file: Vec<_> =
            catalog.drivers_by_host(version).map(|it: &Driver| it.release).collect();
        match (self.driver, of_file.last()) {
            (Some(driver), Some(other)) if !of_file.contains(&driver) => Err(Exit::Usage
                .error(format!(
                    "`--driver {driver}` contradicts `--driver-file`, the host driver {version} of vGPU {other}"
                ))
                .into()),
            (Some(driver), _) => Ok(Some(driver)),
            (None, Some(release)) => Ok(Some(*release)),
            (None, None) => Err(Exit::Unsuitable
                .error(format!("the catalog has no vGPU release with the host driver {version}"))
                .into()),
        }
    }

    fn proposal<'c>(
        &self,
        catalog: &'c Catalog,
        inventory: Option<&Inventory>,
    ) -> anyhow::Result<Option<Proposal<'c>>> {
        if inventory.is_none() && self.gpu.is_empty() {
            return Ok(None);
        }
        let target = self.machine.target(inventory);
        let found = inventory.iter().flat_map(|it| &it.gpus).map(|gpu| gpu.id);
        let gpus: Vec<_> = if self.gpu.is_empty() { found.collect() } else { self.gpu.clone() };
        let wish = match (self.release(catalog)?, self.passthrough) {
            (Some(driver), _) => Wish::Driver(driver),
            (None, true) => Wish::Passthrough,
            (None, false) => Wish::Best,
        };
        Proposal::make(catalog, &target, &gpus, wish, &self.known).map(Some)
    }

    fn confirms_mirrors(&self) -> bool {
        self.accept_mirrors || !self.mirror.is_empty()
    }
}

fn put(path: &Utf8Path, text: &str) -> anyhow::Result<()> {
    outfile::create(path, text.as_bytes(), 0o666).or_else(|error| not_written(path, error))
}

fn not_written(path: &Utf8Path, error: io::Error) -> anyhow::Result<()> {
    if error.kind() == io::ErrorKind::AlreadyExists {
        return Err(anyhow!("`{path}` exists already; `init` overwrites no recipe"))
            .hint("edit it, or name another file with `--recipe`");
    }
    Err(error).with_context(|| format!("cannot write `{path}`"))
}
