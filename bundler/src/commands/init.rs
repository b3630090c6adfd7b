use std::fmt::Write as _;
use std::fs;
use std::io;

use anyhow::Context as _;
use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;
use vgpu_keys::Channel;
use vgpu_manifest::catalog::{Catalog, Release};
use vgpu_manifest::platform::PciId;
use vgpu_manifest::verdict::Targets;
use vgpu_manifest::{BundleName, ItemName, KernelWord, ModprobeLine, ModuleName};

use super::Context;
use crate::exit::Advise as _;
use crate::net::HttpUrl;
use crate::options::{MachineArgs, gpu};
use crate::proposal::{Proposal, Wish};
use crate::recipe::Recipe;
use crate::source::LocalPath;
use crate::ui::print_json;

/// Write a recipe to begin with. Everything that is given here can be changed in it later.
///
/// With `--inventory` or `--gpu` it is one for that machine: the best driver, what belongs to it,
/// and why not the others.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where to write it
    #[arg(long, short, value_name = "FILE", default_value = "bundle.toml")]
    recipe: Utf8PathBuf,

    /// The name of the bundle
    #[arg(long)]
    name: BundleName,

    /// The line of bundles that it belongs to; a node accepts bundles of the channels that its
    /// policy names
    #[arg(long, default_value = "stable")]
    channel: Channel,

    /// An item that is a file or a download: `driver.run=https://…` or `hook.sh=files/hook.sh`
    #[arg(long, value_name = "ITEM=PATH|URL", value_parser = named::<FileSource>)]
    file: Vec<(ItemName, FileSource)>,

    /// An item that is a folder: `src/unlock.tar.zst=unlock`
    #[arg(long, value_name = "ITEM=FOLDER", value_parser = named::<LocalPath>)]
    tree: Vec<(ItemName, LocalPath)>,

    /// A GPU that shall serve vGPUs [default: those of the inventory]
    #[arg(long, value_name = "ID", value_parser = gpu, help_heading = "The machine")]
    gpu: Vec<PciId>,

    /// The release of NVIDIA vGPU [default: the best one]
    #[arg(long, value_name = "RELEASE", help_heading = "The machine")]
    driver: Option<Release>,

    /// Give GPUs whole to one guest each
    #[arg(long, conflicts_with = "driver", help_heading = "The machine")]
    passthrough: bool,

    #[command(flatten, next_help_heading = "The machine")]
    machine: MachineArgs,

    /// Ask the host for an IOMMU that translates for devices
    #[arg(long)]
    iommu: bool,

    /// A word for the kernel command line of the host
    #[arg(long, value_name = "WORD")]
    kernel_word: Vec<KernelWord>,

    /// A module that the host is to load at boot
    #[arg(long, value_name = "MODULE")]
    module: Vec<ModuleName>,

    /// A line for modprobe: `blacklist nouveau`
    #[arg(long, value_name = "LINE")]
    modprobe: Vec<ModprobeLine>,

    /// Print JSON for programs
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Report<'r> {
    /// The recipe that was written.
    recipe: &'r Utf8Path,
    name: &'r BundleName,
    /// The items in it, the catalogue too.
    items: Vec<ItemName>,
    /// What was chosen for the machine, if one was described.
    choice: Option<String>,
    targets: Option<Targets>,
}

/// What `--file` can name.
#[derive(Debug, Clone)]
enum FileSource {
    Path(LocalPath),
    Url(HttpUrl),
}

impl std::str::FromStr for FileSource {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.contains("://") {
            text.parse()
                .map(Self::Url)
                .map_err(|error: crate::net::ParseUrlError| error.to_string())
        } else {
            parse(text).map(Self::Path)
        }
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
        let path = &self.recipe;
        let what = || format!("cannot write `{path}`");
        let catalog = Catalog::embedded();
        let proposal = self.proposal(&catalog)?;
        let text = self.text(proposal.as_ref());
        let mut options = fs::File::options();
        match options.write(true).create_new(true).open(path) {
            Ok(mut file) => io::Write::write_all(&mut file, text.as_bytes()).with_context(what)?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(error).with_context(what).hint("name another file with `--recipe`");
            }
            Err(error) => return Err(error).with_context(what),
        }
        // Two items that collide, say: better heard of now than later.
        let recipe = Recipe::read(path)?;
        if self.json {
            print_json(&Report {
                recipe: path,
                name: &recipe.name,
                items: recipe.entries.iter().map(|entry| entry.name.clone()).collect(),
                choice: proposal.as_ref().map(Proposal::choice),
                targets: recipe.targets.clone(),
            })?;
        }
        let made = proposal.map(|it| format!(": {}", it.choice())).unwrap_or_default();
        context
            .ui
            .note(format_args!("wrote `{path}`{made}; edit it, then run `vgpu-bundler lock`"));
        Ok(())
    }

    /// What is best for the machine, if one was described.
    fn proposal<'c>(&self, catalog: &'c Catalog) -> anyhow::Result<Option<Proposal<'c>>> {
        let inventory = self.machine.inventory()?;
        if inventory.is_none() && self.gpu.is_empty() {
            return Ok(None);
        }
        let target = self.machine.target(inventory.as_ref());
        let found = inventory.iter().flat_map(|it| &it.gpus).map(|gpu| gpu.id);
        let gpus: Vec<_> = if self.gpu.is_empty() { found.collect() } else { self.gpu.clone() };
        let wish = match (self.driver, self.passthrough) {
            (Some(driver), _) => Wish::Driver(driver),
            (None, true) => Wish::Passthrough,
            (None, false) => Wish::Best,
        };
        let proposal = Proposal::make(catalog, &target, &gpus, wish);
        let proposal = proposal.context("there is no recipe for this machine");
        proposal.hint("`vgpu-bundler catalog why` explains each driver").map(Some)
    }

    fn text(&self, proposal: Option<&Proposal<'_>>) -> String {
        let mut text = String::from(HEAD);
        let mut add = |line: String| text.push_str(&line);
        if let Some(proposal) = proposal {
            add(proposal.reasons().join("\n") + "\n\n");
        }
        add(format!(
            "[bundle]\nname = {}\nchannel = {}\n",
            quoted(&self.name),
            quoted(&self.channel)
        ));
        for (name, source) in &self.file {
            let (key, value) = match source {
                FileSource::Path(path) => ("path", quoted(path)),
                FileSource::Url(url) => ("url", quoted(&String::from(url.clone()))),
            };
            add(format!("\n[[file]]\nname = {}\n{key} = {value}\n", quoted(name)));
        }
        for (name, path) in &self.tree {
            add(format!("\n[[tree]]\nname = {}\npath = {}\n", quoted(name), quoted(path)));
        }
        match proposal {
            Some(proposal) => {
                add(proposal.items().join("\n") + "\n");
                add(proposal.declaration().unwrap_or_default());
            }
            None if self.file.is_empty() && self.tree.is_empty() => add(ITEMS.to_owned()),
            None => {}
        }
        add(HOST.to_owned());
        let iommu = if self.iommu || proposal.is_some() { "" } else { "# " };
        add(format!("{iommu}iommu = \"on\"\n"));
        let with = |given: Vec<String>, proposed: &[&str]| {
            let mut all = given;
            all.extend(proposed.iter().map(|&text| text.to_owned()));
            all
        };
        let (modules, modprobe) =
            proposal.map_or((&[][..], &[][..]), |it| (it.modules(), it.modprobe()));
        add(list("kernel-words", "intel_iommu=on", &self.kernel_word));
        add(list("modules", "vfio_pci", &with(texts(&self.module), modules)));
        add(list("modprobe", "blacklist nouveau", &with(texts(&self.modprobe), modprobe)));
        add(PLACES.to_owned());
        text
    }
}

/// A line with the values, or one that shows by an example what could stand there.
fn list<T: ToString>(key: &str, example: &str, values: &[T]) -> String {
    let mut line = String::new();
    let hidden = if values.is_empty() { "# " } else { "" };
    let shown: Vec<String> = match values {
        [] => vec![quoted(&example)],
        values => values.iter().map(quoted).collect(),
    };
    // Writing to a `String` cannot fail.
    let _ = writeln!(line, "{hidden}{key} = [{}]", shown.join(", "));
    line
}

fn texts(values: &[impl ToString]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

/// As TOML writes a string.
fn quoted(value: &impl ToString) -> String {
    toml::Value::String(value.to_string()).to_string()
}

const HEAD: &str = "\
# What the bundle is to hold. `vgpu-bundler lock` finds out what that is, byte for byte, and
# `vgpu-bundler build` makes the bundle. Items are applied in the order in which they stand here.

";

const ITEMS: &str = "
# [[driver]]                            # NVIDIA's driver, or the portal's .zip with it
# name = \"driver/host.run\"              # its name in the bundle
# path = \"inputs/portal.zip\"            # or `url`, as below
# kind = \"host\"                         # or \"guest\", \"windows-guest\"

# [[patch]]                             # a patch for it, applied here to prove that it fits
# name = \"driver/unlock.patch\"
# path = \"inputs/unlock.patch\"
# driver = \"driver/host.run\"            # not needed if there is one host driver

# [[file]]                              # a file, as it is
# name = \"tools/tool\"
# path = \"inputs/tool\"                  # from here; relative to this recipe
# url = [\"https://…\", \"https://…\"]      # or from there: an address, or several of the same
# sha256 = \"…\"                          # what it must be; otherwise the lock pins what came
# max-size = \"2 GiB\"                    # what it must not exceed
# mode = \"0755\"                         # if it is a program

# [[tree]]                              # a folder, as one archive
# name = \"src/unlock.tar.zst\"
# path = \"inputs/unlock\"
# exclude = [\".git\"]
#
# [[tree]]                              # a folder of a git repository
# name = \"src/profiles.tar.zst\"
# git = \"https://git.example/profiles\"
# tag = \"v1\"                            # or `branch`, or `commit`

# [[unlock]]                            # an unlock library, with its sources and all crates
# name = \"unlock/src.tar.zst\"
# git = \"https://git.example/unlock\"    # or the one for the driver of `[targets]`
# branch = \"main\"
# build = \"here\"                        # or \"node\"
";

const HOST: &str = "
[host]                                  # what the bundle asks of a host
";

const PLACES: &str = "
# [[host.file]]                         # an item that becomes a file there
# item = \"files/profiles.toml\"
# path = \"/etc/vgpu_unlock/profile_override.toml\"
# mode = \"0644\"

# [[host.unit]]                         # an item that becomes a systemd unit
# name = \"vgpu-sriov.service\"
# item = \"units/vgpu-sriov.service\"
# wanted-by = \"multi-user.target\"       # leave it out to place the unit only

# [[host.drop-in]]                      # an item that adds to a unit which the host has
# unit = \"nvidia-vgpud.service\"
# name = \"unlock.conf\"
# item = \"units/unlock.conf\"
";

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Only {
        #[command(flatten)]
        args: Args,
    }

    fn text(words: &[&str]) -> String {
        let args = Only::parse_from([&["init", "--name", "node"], words].concat()).args;
        let catalog = Catalog::embedded();
        let proposal = args.proposal(&catalog).unwrap();
        args.text(proposal.as_ref())
    }

    fn read(text: &str) -> Recipe {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(dir.path().join("bundle.toml")).unwrap();
        fs::write(&path, text).unwrap();
        Recipe::read(&path).unwrap()
    }

    #[test]
    fn what_was_asked_for_stands_in_the_recipe() {
        let words = [
            "--file",
            "a.run=https://example.org/a b.run?x=\"y\"",
            "--file",
            "b=dir/b's \\ \"file\"",
            "--tree",
            "c.tar.zst=c",
            "--iommu",
            "--kernel-word",
            "a=1",
            "--kernel-word",
            "b",
            "--module",
            "vfio",
            "--modprobe",
            "blacklist nouveau",
        ];
        let recipe = read(&text(&words));
        assert_eq!(recipe.entries.len(), 4);
        assert_eq!(recipe.entries[1].origin.to_string(), "dir/b's \\ \"file\"");
        assert!(recipe.host.iommu.is_some());
        assert_eq!((recipe.host.kernel_words.len(), recipe.host.modules.len()), (2, 1));
    }

    #[test]
    fn a_recipe_for_a_machine_says_what_for_and_why() {
        let machine = ["--gpu", "10de:1e07", "--pve", "8.4", "--kernel", "6.8.12-43-pve"];
        let text = text(&[&machine[..], &["--driver", "16.9", "--module", "dummy"]].concat());
        let recipe = read(&text);
        let names: Vec<_> = recipe.entries.iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "driver/NVIDIA-Linux-x86_64-535.230.02-vgpu-kvm.run",
                "driver/535.230.02.patch",
                "unlock/vgpu_unlock-rs.tar.zst",
                "unlock/libvgpu_unlock_rs.so",
                "catalog.sqlite"
            ]
        );
        assert!(recipe.entries[1].sha256.is_some());
        let targets = recipe.targets.unwrap();
        assert_eq!(targets.driver.to_string(), "16.9");
        assert!(recipe.host.iommu.is_some());
        assert_eq!((recipe.host.modules.len(), recipe.host.modprobe.len()), (1, 2));
        for says in ["Why not another driver", "# Packages", "proxmox-headers-6.8.12-43-pve"] {
            assert!(text.contains(says), "{says}: {text}");
        }
    }

    #[test]
    fn the_examples_in_it_are_right() {
        let bare = text(&[]);
        assert_eq!(read(&bare).entries.len(), 1);
        let live: String = bare
            .lines()
            .filter(|line| !line.contains('…') && !line.starts_with("# path = \"inputs/tool"))
            .map(|line| {
                line.strip_prefix("# ").filter(|rest| rest.contains(['=', '['])).unwrap_or(line)
            })
            .flat_map(|line| [line, "\n"])
            .collect();
        let live = live.replacen("max-size", "url = \"https://example.org/\"\nmax-size", 1);
        let live = live.replace("item = \"files/profiles.toml\"", "item = \"driver/host.run\"");
        let live =
            live.replace("item = \"units/vgpu-sriov.service\"", "item = \"driver/host.run\"");
        let live = live.replace("item = \"units/unlock.conf\"", "item = \"driver/host.run\"");
        let recipe = read(&live);
        assert_eq!(recipe.entries.len(), 8, "{live}");
        assert_eq!(crate::wants::lines(&recipe.host).len(), 7, "{live}");
    }
}
