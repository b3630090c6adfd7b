//! The desired configuration of a host, independent of any particular host.
//!
//! The installer's planner turns wants and facts into steps. A want is declarative: whether a
//! kernel parameter is set in a GRUB drop-in or in `/etc/kernel/cmdline` is the planner's decision.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::inventory::PackageName;
use crate::profile::{ProfileOverrides, UnlockConfig};
use crate::text;
use crate::types::object::{object, objects};
use crate::types::text::is_word;
use crate::{HostPath, ItemName, Mode};

mod check;

pub use check::WantsError;

/// The desired configuration of a host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Wants {
    /// Whether the IOMMU must translate for devices; the kernel parameters for it depend on the
    /// CPU's vendor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iommu: Option<Iommu>,
    /// Required kernel parameters.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kernel_words: Vec<KernelWord>,
    /// Modules to load at boot, in this order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub modules: Vec<ModuleName>,
    /// Lines for modprobe.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub modprobe: Vec<ModprobeLine>,
    /// The desired packages.
    #[serde(skip_serializing_if = "PackageWants::is_usual", deserialize_with = "object")]
    pub packages: PackageWants,
    /// Overrides of the driver's values for vGPU types.
    #[serde(skip_serializing_if = "ProfileOverrides::is_empty", deserialize_with = "object")]
    pub overrides: ProfileOverrides,
    /// Further configuration of the unlock library.
    #[serde(skip_serializing_if = "UnlockConfig::is_empty", deserialize_with = "object")]
    pub unlock: UnlockConfig,
    /// Items to place as files.
    #[serde(rename = "file", skip_serializing_if = "Vec::is_empty", deserialize_with = "objects")]
    pub files: Vec<WantedFile>,
    /// Systemd units to place.
    #[serde(rename = "unit", skip_serializing_if = "Vec::is_empty", deserialize_with = "objects")]
    pub units: Vec<WantedUnit>,
    /// Drop-ins for systemd units of the host or of a package.
    #[serde(
        rename = "drop-in",
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "objects"
    )]
    pub drop_ins: Vec<WantedDropIn>,
    /// Items that are guest tools. The operator decides whether guests get them.
    #[serde(
        rename = "guest-tool",
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "objects"
    )]
    pub guest_tools: Vec<GuestTool>,
}

impl Wants {
    /// Returns the paths that files, units and drop-ins take, in this order.
    fn paths(&self) -> impl Iterator<Item = String> {
        let files = self.files.iter().map(|file| file.path.to_string());
        let units = self.units.iter().map(|unit| format!("/etc/systemd/system/{}", unit.name));
        let drop_ins = self.drop_ins.iter();
        let drop_ins = drop_ins.map(|it| format!("/etc/systemd/system/{}.d/{}", it.unit, it.name));
        files.chain(units).chain(drop_ins)
    }

    /// Returns the items that are named here, so that a manifest can check that they exist.
    pub fn items(&self) -> impl Iterator<Item = &ItemName> {
        let files = self.files.iter().map(|file| &file.item);
        let units = self.units.iter().map(|unit| &unit.item);
        let drop_ins = self.drop_ins.iter().map(|drop_in| &drop_in.item);
        let tools = self.guest_tools.iter().map(|tool| &tool.item);
        files.chain(units).chain(drop_ins).chain(tools)
    }
}

/// The desired Debian packages from the bundle.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct PackageWants {
    /// The requested packages to install; all of them if absent. The others are only included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub install: Option<Vec<PackageName>>,
    /// Whether the packages stay on the host as a repository, and the format of its apt source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository: Option<RepositoryStyle>,
}

impl PackageWants {
    /// Checks whether a requested package of this name is to be installed.
    #[must_use]
    pub fn installs(&self, name: &PackageName) -> bool {
        self.install.as_ref().is_none_or(|names| names.contains(name))
    }

    fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

/// The format of a repository's apt source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum RepositoryStyle {
    /// A `.sources` file of stanzas.
    Deb822,
    /// A `.list` file of one line.
    List,
}

/// The desired state of the IOMMU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Iommu {
    /// It translates, with the pass-through mode for the host's own devices.
    On,
}

/// An item that is placed as a file on the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct WantedFile {
    /// The item.
    pub item: ItemName,
    /// The path. It has no control characters.
    #[serde(deserialize_with = "printable")]
    pub path: HostPath,
    /// Its permission bits; owner and group are root.
    #[serde(default = "plain")]
    pub mode: Mode,
}

fn plain() -> Mode {
    Mode::FILE
}

/// A host may have files with line breaks in their names, but a bundle must not add any.
fn printable<'de, D: Deserializer<'de>>(deserializer: D) -> Result<HostPath, D::Error> {
    let path = HostPath::deserialize(deserializer)?;
    if path.as_path().as_str().chars().any(char::is_control) {
        let shown = path.as_path().as_str().escape_debug();
        return Err(D::Error::custom(format!("the path `{shown}` has control characters")));
    }
    Ok(path)
}

/// An item that is placed as a systemd unit under `/etc/systemd/system`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct WantedUnit {
    /// The unit's name.
    pub name: UnitName,
    /// The item that is the unit file.
    pub item: ItemName,
    /// The target that wants the unit from the next boot on; without one, the unit is only placed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanted_by: Option<UnitName>,
}

/// An item that is placed as a drop-in of a systemd unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct WantedDropIn {
    /// The unit that it adds to.
    pub unit: UnitName,
    /// The drop-in's own name, which ends in `.conf`.
    pub name: DropInName,
    /// The item that is the drop-in.
    pub item: ItemName,
}

/// A guest tool: an item that the author of the bundle supplies and that never runs on the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct GuestTool {
    /// The item.
    pub item: ItemName,
}

text! {
    /// A kernel parameter: `intel_iommu=on`.
    ///
    /// Letters, digits and `._,:=/+-` only: no quote, blank, `$` or backslash, so that it means the
    /// same in GRUB's shell-like files and in `/etc/kernel/cmdline`.
    KernelWord,
    "a kernel parameter",
    "letters, digits and `._,:=/+-`, at most 200 bytes",
    |text| {
        let rest = |b: u8| b.is_ascii_alphanumeric() || b"._,:=/+-".contains(&b);
        is_word(text, 200, |b| b.is_ascii_alphanumeric(), rest)
    }
}

text! {
    /// The name of a kernel module.
    ModuleName,
    "the name of a kernel module",
    "letters, digits, `_` and `-`, at most 60 bytes",
    |text| is_word(text, 60, |b| b.is_ascii_alphanumeric(), is_module)
}

fn is_module(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_' || b == b'-'
}

text! {
    /// A line of a modprobe configuration: `blacklist nouveau`, `options nouveau modeset=0`,
    /// `softdep nouveau pre: vfio-pci` or `alias NAME MODULE`.
    ///
    /// `install` and `remove`, which run shell commands as root, are refused.
    ModprobeLine,
    "a modprobe configuration line",
    "`blacklist`, `options`, `softdep` or `alias`, a module and its arguments, at most 400 bytes",
    is_modprobe_line
}

fn is_modprobe_line(text: &str) -> bool {
    let mut words = text.split(' ');
    let verb =
        words.next().is_some_and(|v| ["blacklist", "options", "softdep", "alias"].contains(&v));
    let module =
        words.next().is_some_and(|m| is_word(m, 60, |b| b.is_ascii_alphanumeric(), is_module));
    let word = |b: u8| b.is_ascii_alphanumeric() || b"._,:=/*-".contains(&b);
    verb && module && text.len() <= 400 && words.all(|w| !w.is_empty() && w.bytes().all(word))
}

text! {
    /// The name of a systemd unit, with its type: `nvidia-vgpud.service`.
    UnitName,
    "the name of a systemd unit",
    "letters, digits and `@._-`, ending in `.service`, `.target`, `.timer`, `.path`, `.socket` or `.mount`",
    is_unit
}

fn is_unit(text: &str) -> bool {
    let kinds = ["service", "target", "timer", "path", "socket", "mount"];
    let rest = |b: u8| b.is_ascii_alphanumeric() || b"@._-".contains(&b);
    text.rsplit_once('.').is_some_and(|(stem, kind)| {
        kinds.contains(&kind) && is_word(stem, 200, |b| b.is_ascii_alphanumeric(), rest)
    })
}

text! {
    /// The name of a drop-in: `vgpu_unlock.conf`.
    DropInName,
    "the name of a drop-in",
    "letters, digits and `._-`, ending in `.conf`, at most 100 bytes",
    |text| {
        let rest = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        text.strip_suffix(".conf").is_some_and(|stem| {
            is_word(stem, 95, |b| b.is_ascii_alphanumeric(), rest)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use super::*;

    fn check<T: FromStr>(good: &[&str], bad: &[&str]) {
        for text in good {
            assert!(text.parse::<T>().is_ok(), "{text:?}");
        }
        for text in bad {
            assert!(text.parse::<T>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn nothing_that_a_shell_or_a_parser_would_take_for_more_than_a_word_gets_through() {
        check::<KernelWord>(
            &["intel_iommu=on", "iommu=pt", "vfio-pci.ids=10de:1eb8,10de:10f8", "quiet"],
            &[
                "", "a b", "a\"", "a'", "$(id)", "`id`", "a\\", "a\n", "-a", "a;b", "a#b", "a&b",
                "é",
            ],
        );
        check::<ModuleName>(
            &["vfio_pci", "vfio-pci", "8021q"],
            &["", "a b", "../a", "a/b", "-a", "a.b"],
        );
        check::<ModprobeLine>(
            &["blacklist nouveau", "options nouveau modeset=0", "softdep nouveau pre: vfio-pci"],
            &[
                "",
                "blacklist",
                "install a /bin/sh",
                "remove a b",
                "options a  b",
                "options a b\nblacklist c",
                " blacklist a",
                "options a b;c",
                "blacklist a ",
            ],
        );
        check::<UnitName>(
            &["a.service", "pve-nvidia-sriov@.service", "multi-user.target"],
            &[
                "",
                ".service",
                "a",
                "a.conf",
                "../a.service",
                "a/b.service",
                "a b.service",
                "-a.service",
            ],
        );
        check::<DropInName>(
            &["vgpu_unlock.conf"],
            &["", ".conf", "a", "a.conf~", "../a.conf", "a/b.conf"],
        );
    }
}
