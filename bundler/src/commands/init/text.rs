//! The text of a new recipe.

use std::fmt::Write as _;

use vgpu_manifest::BundleName;

use super::packages::Packages;
use super::{Args, FileSource};
use crate::options::Licensing;
use crate::proposal::Proposal;

pub(super) fn recipe(
    args: &Args,
    name: &BundleName,
    proposal: Option<&Proposal<'_>>,
    packages: Option<&Packages>,
) -> String {
    let mut text = String::from(HEAD);
    if let Some(proposal) = proposal {
        text += &(proposal.reasons().join("\n") + "\n\n");
    }
    let channel = args.channel();
    // Writing to a `String` cannot fail.
    let _ = write!(text, "[bundle]\nname = {}\nchannel = {}\n", quoted(name), quoted(&channel));
    text.extend(given(args));
    text.extend(packages.map(Packages::text));
    match proposal {
        Some(proposal) => text += &(proposal.items(args.driver_file.as_ref()).join("\n") + "\n"),
        None if args.file.is_empty() && args.tree.is_empty() => text += ITEMS,
        None => {}
    }
    text += &licensing(args.licensing.as_ref());
    text.extend(proposal.and_then(Proposal::declaration));
    text += &host(args, proposal);
    text + PLACES
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

fn host(args: &Args, proposal: Option<&Proposal<'_>>) -> String {
    let iommu = if args.iommu || proposal.is_some() { "" } else { "# " };
    let with = |given: Vec<String>, proposed: &[&str]| {
        let mut all = given;
        all.extend(proposed.iter().map(|&text| text.to_owned()));
        all
    };
    let (modules, modprobe) =
        proposal.map_or((&[][..], &[][..]), |it| (it.modules(), it.modprobe()));
    [
        HOST,
        &format!("{iommu}iommu = \"on\"\n"),
        &list("kernel-words", "intel_iommu=on", &args.kernel_word),
        &list("modules", "vfio_pci", &with(texts(&args.module), modules)),
        &list("modprobe", "blacklist nouveau", &with(texts(&args.modprobe), modprobe)),
    ]
    .concat()
}

/// Returns a line with the values, or a commented example without any.
fn list<T: ToString>(key: &str, example: &str, values: &[T]) -> String {
    let hidden = if values.is_empty() { "# " } else { "" };
    let shown = if values.is_empty() { format!("[{}]", quoted(&example)) } else { list_of(values) };
    format!("{hidden}{key} = {shown}\n")
}

fn texts(values: &[impl ToString]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

pub(super) fn quoted(value: &impl ToString) -> String {
    toml::Value::String(value.to_string()).to_string()
}

pub(super) fn list_of(values: &[impl ToString]) -> String {
    let values: Vec<_> = values.iter().map(quoted).collect();
    format!("[{}]", values.join(", "))
}

const APPLIANCE: &str = "\
# Its appliance can ride along; on the node `vgpu-installer license appliance` gets it out:
# [[file]]
# name = \"licensing/nvidia-dls.zip\"
# path = \"inputs/nvidia-dls.zip\"
";

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

# [[host.guest-tool]]                   # an item for guests, who get it with `apply --guest-tools` only
# item = \"guest/tool\"
";
