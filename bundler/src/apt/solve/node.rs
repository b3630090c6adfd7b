//! The packages of a node.

use std::collections::BTreeMap;

use vgpu_manifest::DebVersion;
use vgpu_manifest::inventory::{self, PackageName, PackageState, Want};
use vgpu_manifest::package::ArchiveName;

use crate::apt::model::{Candidate, NATIVE, Offer, Pin, Place};
use crate::types::Stanza;

/// The packages of a node, by name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Node {
    packages: BTreeMap<PackageName, Present>,
}

/// An installed package.
#[derive(Debug, Clone)]
pub(crate) struct Present {
    pub(crate) version: DebVersion,
    pub(crate) liberty: Liberty,
    /// Its relations, if the node lists them. An inventory does not.
    pub(crate) stanza: Option<Candidate>,
}

/// Permission to replace an installed version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Liberty {
    Free,
    /// The administrator put it on hold.
    Held,
    /// Part of Proxmox VE itself, which must not be changed.
    Protected,
}

/// Packages that no request may change or remove.
const PROTECTED: [&str; 1] = ["proxmox-ve"];

impl Node {
    /// Returns the packages of an inventory.
    pub(crate) fn of_inventory(packages: &[inventory::Package]) -> Self {
        let mut node = Self::default();
        for package in packages {
            let is_own = [NATIVE, "all"].contains(&package.arch.as_str());
            if is_own && is_there(package.state) {
                let held = package.want == Want::Hold;
                let liberty = if held { Liberty::Held } else { Liberty::Free };
                node.add(package.name.clone(), package.version.clone().into(), liberty, None);
            }
        }
        node
    }

    /// Returns the packages of a dpkg status file. Invalid stanzas and invalid relations are
    /// ignored.
    pub(crate) fn of_status(status: &str) -> Self {
        let mut node = Self::default();
        for paragraph in status.split("\n\n") {
            let Ok(stanza) = Stanza::parse(paragraph) else { continue };
            let mut words = stanza.get("Status").unwrap_or_default().split_ascii_whitespace();
            let (want, state) = (words.next(), words.nth(1));
            let is_own = stanza.get("Architecture").is_some_and(|a| [NATIVE, "all"].contains(&a));
            let there = state
                .is_some_and(|s| !["not-installed", "config-files", "half-installed"].contains(&s));
            let name = stanza.get("Package").and_then(|name| name.parse().ok());
            let version = stanza.get("Version").and_then(|version| version.parse().ok());
            if let (Some(name), Some(version), true) = (name, version, is_own && there) {
                let known = Candidate::read(&stanza, now()).ok();
                let held = want == Some("hold");
                let liberty = if held { Liberty::Held } else { Liberty::Free };
                node.add(name, version, liberty, known);
            }
        }
        node
    }

    /// Returns a node with these packages.
    pub(crate) fn of_packages<'c>(packages: impl IntoIterator<Item = &'c Candidate>) -> Self {
        let mut node = Self::default();
        for package in packages {
            let stanza = Candidate { offer: now(), ..package.clone() };
            let (name, version) = (package.name.clone(), package.version.clone());
            node.add(name, version, Liberty::Free, Some(stanza));
        }
        node
    }

    fn add(
        &mut self,
        name: PackageName,
        version: DebVersion,
        liberty: Liberty,
        stanza: Option<Candidate>,
    ) {
        let is_protected = PROTECTED.contains(&name.as_str());
        let liberty = if is_protected { Liberty::Protected } else { liberty };
        self.packages.insert(name, Present { version, liberty, stanza });
    }

    /// Returns whether it has no packages.
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        self.packages.is_empty()
    }

    /// Returns the installed version of a package.
    pub(crate) fn get(&self, name: &PackageName) -> Option<&Present> {
        self.packages.get(name)
    }

    /// Returns all installed packages.
    pub(crate) fn names(&self) -> impl Iterator<Item = &PackageName> {
        self.packages.keys()
    }
}

/// The source of an installed version. apt has the same name and weight for it.
pub(super) fn now() -> Offer {
    #[expect(clippy::expect_used, reason = "a constant that the tests parse")]
    let archive: ArchiveName = "now".parse().expect("the name of an archive");
    Offer { archive, pin: Pin(100), place: Place(0) }
}

/// Returns whether the files of a package are installed, so that others can depend on it or conflict with
/// it.
fn is_there(state: PackageState) -> bool {
    match state {
        PackageState::ConfigFiles | PackageState::HalfInstalled => false,
        PackageState::Installed
        | PackageState::Unpacked
        | PackageState::HalfConfigured
        | PackageState::TriggersAwaited
        | PackageState::TriggersPending => true,
    }
}
