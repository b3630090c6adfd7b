//! The text of a new recipe.

use std::fmt::Write as _;

use camino::{Utf8Path, Utf8PathBuf};
use vgpu_manifest::BundleName;

use super::packages::Packages;
use super::{Args, FileSource};
use crate::assist::Licensing;
use crate::assist::expansion::{DriverChoice, Vgpu};
use crate::assist::proposal::Proposal;
use crate::recipe::CHANNEL;
use crate::types::{LocalPath, OneOrMany};

pub(super) fn recipe(
    args: &Args,
    name: &BundleName,
    proposal: Option<&Proposal<'_>>,
    packages: Option<&Packages>,
) -> anyhow::Result<String> {
    let mut text = format!("[bundle]\nname = {}\n", quoted(name));
    let channel = args.channel.as_ref().filter(|it| it.to_string() != CHANNEL);
    // Writing to a `String` cannot fail.
    let _ = channel.map_or(Ok(()), |it| writeln!(text, "channel = {}", quoted(it)));
    match proposal {
        Some(proposal) => {
            let vgpu = toml::to_string(&vgpu(args, proposal)?)?;
            let _ = write!(
                text,
                "\n# `vgpu-bundler expand` shows the entries that follow.\n[vgpu]\n{vgpu}"
            );
            text.extend(packages.map(Packages::text));
        }
        None => text += &licensing(args.licensing.as_ref()),
    }
    text.extend(given(args));
    let is_bare = proposal.is_none() && args.file.is_empty() && args.tree.is_empty();
    text += if is_bare { ITEMS } else { "" };
    text += &host(args, is_bare);
    Ok(text)
}

/// Returns the table of the machine.
fn vgpu(args: &Args, proposal: &Proposal<'_>) -> anyhow::Result<Vgpu> {
    let machine = &args.machine;
    let node = machine.inventory.as_ref().map(|path| seen_from(&args.recipe, path)).transpose()?;
    let release = proposal.driver().map(|(release, _)| release);
    Ok(Vgpu {
        node,
        gpu: OneOrMany(args.gpu.clone()),
        driver: release.map_or(DriverChoice::Passthrough, DriverChoice::Release),
        driver_file: args.driver_file.clone(),
        inputs: None,
        guests: Vec::new(),
        licensing: args.licensing.clone().unwrap_or_default(),
        pve: machine.pve,
        kernel: machine.kernel.clone(),
        secure_boot: machine.secure_boot,
        boot_loader: machine.boot_loader,
        root: machine.root,
        pool: machine.pool,
        cpu: machine.cpu,
    })
}

/// Returns a path as the recipe has to name it.
fn seen_from(recipe: &Utf8Path, path: &Utf8Path) -> anyhow::Result<LocalPath> {
    let beside = recipe.parent().is_none_or(|folder| folder.as_str().is_empty());
    let path: Utf8PathBuf =
        if beside || path.is_absolute() { path.to_owned() } else { camino::absolute_utf8(path)? };
    Ok(path.as_str().parse()?)
}

fn given(args: &Args) -> Vec<String> {
    let files = args.file.iter().map(|(name, source)| {
        let (key, value) = match source {
            FileSource::Path(path) => ("path", quoted(path)),
            FileSource::Url(url) => ("url", quoted(&String::from(url.clone()))),
        };
        format!("\n[[file]]\nname = {}\n{key} = {value}\n", quoted(name))
    });
    let trees = args.tree.iter().map(|(name, path)| {
        format!("\n[[tree]]\nname = {}\npath = {}\n", quoted(name), quoted(path))
    });
    files.chain(trees).collect()
}

/// The chosen licensing service, with its notice.
fn licensing(choice: Option<&Licensing>) -> String {
    let Some(choice) = choice.filter(|it| **it != Licensing::Nothing) else { return String::new() };
    let notice: String = choice.notice().iter().flat_map(|line| ["# ", line, "\n"]).collect();
    let item = match choice {
        Licensing::FastapiDls(image) => {
            format!("[[image]]\nname = \"licensing/fastapi-dls.tar\"\nimage = {}\n", quoted(image))
        }
        Licensing::NvidiaDls => APPLIANCE.to_owned(),
        Licensing::Nothing => String::new(),
    };
    format!("\n{notice}{item}")
}

/// Returns the changes to the host, with examples in a bare recipe.
fn host(args: &Args, is_bare: bool) -> String {
    let iommu = if args.iommu { "iommu = \"on\"\n" } else { "# iommu = \"on\"\n" };
    let lines = [
        iommu,
        &list("kernel-words", "intel_iommu=on", &args.kernel_word),
        &list("modules", "vfio_pci", &args.module),
        &list("modprobe", "blacklist nouveau", &args.modprobe),
    ];
    let lines: Vec<_> = lines.into_iter().filter(|it| is_bare || !it.starts_with('#')).collect();
    match (is_bare, lines.is_empty()) {
        (true, _) => format!("{HOST}{}{PLACES}", lines.concat()),
        (false, true) => String::new(),
        (false, false) => format!("\n[host]\n{}", lines.concat()),
    }
}

/// Returns a line with the values, or a commented example without any.
fn list<T: ToString>(key: &str, example: &str, values: &[T]) -> String {
    let hidden = if values.is_empty() { "# " } else { "" };
    let shown = if values.is_empty() { format!("[{}]", quoted(&example)) } else { list_of(values) };
    format!("{hidden}{key} = {shown}\n")
}

pub(super) fn quoted(value: &impl ToString) -> String {
    toml::Value::String(value.to_string()).to_string()
}

pub(super) fn list_of(values: &[impl ToString]) -> String {
    let values: Vec<_> = values.iter().map(quoted).collect();
    format!("[{}]", values.join(", "))
}

const APPLIANCE: &str = "\
# The appliance can be included; on the node, `vgpu-installer license appliance` extracts it:
# [[file]]
# name = \"licensing/nvidia-dls.zip\"
# path = \"inputs/nvidia-dls.zip\"
";

const ITEMS: &str = "
# [vgpu]                                # driver, patch, unlock library and host settings for
# gpu = \"10de:1e07\"                     # a machine; `vgpu-bundler expand` shows them
# driver = \"16.9\"
# pve = \"8.4\"                           # or `node = \"node.json\"`, its inventory

# [[driver]]                            # NVIDIA driver, or the portal .zip that contains it
# name = \"driver/host.run\"              # its name in the bundle
# path = \"inputs/portal.zip\"            # or `url`, as below
# kind = \"host\"                         # or \"guest\", \"windows-guest\"

# [[patch]]                             # patch for the driver; `lock` checks that it applies
# name = \"driver/unlock.patch\"
# path = \"inputs/unlock.patch\"
# driver = \"driver/host.run\"            # optional with a single host driver

# [[file]]                              # file, copied unchanged
# name = \"tools/tool\"
# path = \"inputs/tool\"                  # local file, relative to this recipe
# url = [\"https://…\", \"https://…\"]      # or a download, with its mirrors
# sha256 = \"…\"                          # expected digest; otherwise pinned by `lock`
# max-size = \"2 GiB\"                    # size limit
# mode = \"0755\"                         # for a program

# [[tree]]                              # folder, packed as one archive
# name = \"src/unlock.tar.zst\"
# path = \"inputs/unlock\"
# exclude = [\".git\"]
#
# [[tree]]                              # folder of a git repository
# name = \"src/profiles.tar.zst\"
# git = \"https://git.example/profiles\"
# tag = \"v1\"                            # or `branch`, or `commit`

# [[unlock]]                            # unlock library, with its sources and all crates
# name = \"unlock/src.tar.zst\"
# git = \"https://git.example/unlock\"    # default: the one for the driver of `[targets]`
# branch = \"main\"
# build = \"here\"                        # or \"node\"
";

const HOST: &str = "
[host]                                  # changes to the host
";

const PLACES: &str = "
# [[host.file]]                         # item that is installed as a file
# item = \"files/site.conf\"
# path = \"/etc/modprobe.d/site.conf\"
# mode = \"0644\"

# [[host.unit]]                         # item that is installed as a systemd unit
# name = \"vgpu-sriov.service\"
# item = \"units/vgpu-sriov.service\"
# wanted-by = \"multi-user.target\"       # omit it to install the unit without enabling it

# [[host.drop-in]]                      # item that extends a unit of the host
# unit = \"nvidia-vgpud.service\"
# name = \"unlock.conf\"
# item = \"units/unlock.conf\"

# [[host.guest-tool]]                   # item for guests, only with `apply --guest-tools`
# item = \"guest/tool\"
";
