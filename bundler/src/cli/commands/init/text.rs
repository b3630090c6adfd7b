//! The text of a new recipe.

use std::fmt::Write as _;

use vgpu_manifest::BundleName;

use super::packages::Packages;
use super::{Args, FileSource};
use crate::assist::proposal::Proposal;
use crate::cli::options::Licensing;

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
# The appliance can be included; on the node, `vgpu-installer license appliance` extracts it:
# [[file]]
# name = \"licensing/nvidia-dls.zip\"
# path = \"inputs/nvidia-dls.zip\"
";

const HEAD: &str = "\
# Contents of the bundle. `vgpu-bundler lock` pins every byte, `vgpu-bundler build` writes the
# bundle. Items are applied in the order of this file.

";

const ITEMS: &str = "
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
