use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use vgpu_keys::{Channel, MAX_POLICIES};

use crate::item::driver::{DriverKind, PatchRecord, Proof};
use crate::item::package::{ArchiveName, ArchiveRecord, PackageRecord};
use crate::item::unlock::LibraryRecord;
use crate::item::{Base, Item, Kind};
use crate::limits::{MAX_ARCHIVES, MAX_CATALOG, MAX_ITEM, MAX_ITEMS};
use crate::platform::KernelRelease;
use crate::printable;
use crate::types::object::{object, objects, some_object};
use crate::types::{NameCollision, POLICIES, check_distinct};
use crate::ui::{ByteSize, count};
use crate::verdict::Purpose;
use crate::wants::WantsError;
use crate::{BundleName, ItemMode, ItemName, ProgramVersion, Wants};

/// The version of the format that this program writes, and the only one that it reads.
pub const FORMAT: u32 = 1;

/// The metadata of a bundle and its payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Manifest {
    /// The version of the format: [`FORMAT`].
    pub format: u32,
    /// The oldest version of the programs that can read this manifest.
    pub needs: ProgramVersion,
    /// The program that made the bundle.
    pub made_by: ProgramVersion,
    /// The bundle's name.
    pub name: BundleName,
    /// The channel of the bundle.
    pub channel: Channel,
    /// Its sequence in the channel; a later bundle has a higher one.
    pub sequence: u64,
    /// The time of its lock, in seconds since 1970. It is the date of the archive's members; no
    /// decision depends on it.
    pub created: u64,
    /// The desired configuration of the host.
    #[serde(default, deserialize_with = "object")]
    pub wants: Wants,
    /// The archives of packages among the items.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "objects")]
    pub archives: Vec<ArchiveRecord>,
    /// The target machines, if the recipe declares them.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "some_object")]
    pub purpose: Option<Purpose>,
    /// The kernels for which the host driver's modules were built and checked before.
    #[serde(
        default,
        rename = "proof",
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "objects"
    )]
    pub proofs: Vec<Proof>,
    /// The payload, in the order in which it is applied.
    #[serde(deserialize_with = "objects")]
    pub items: Vec<Item>,
}

/// The reason why a manifest, although signed, is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// It is not valid JSON of this format.
    #[error("the manifest is malformed: {}", printable(&.0.to_string()))]
    Syntax(serde_json::Error),
    /// It has another format version.
    #[error(
        "the bundle has format {found}, but this program reads format {FORMAT}; use the program that came with the bundle"
    )]
    Format {
        /// The version that it has.
        found: u32,
    },
    /// This program is too old for it.
    #[error(
        "the bundle needs version {needs} of this program, which is version {have}; use the one that came with the bundle"
    )]
    TooOld {
        /// The oldest version that can read it.
        needs: ProgramVersion,
        /// The version of this program.
        have: ProgramVersion,
    },
    /// The names of two items conflict.
    #[error(transparent)]
    Names(#[from] NameCollision),
    /// There are more items than the limit.
    #[error("{0} items exceed the limit of a bundle ({MAX_ITEMS})")]
    TooMany(usize),
    /// Its configuration is refused on every host.
    #[error(transparent)]
    Wants(#[from] WantsError),
    /// It refers to a missing item.
    #[error("the manifest places item `{0}` on the host, but does not have it")]
    Missing(ItemName),
    /// An item depends on a missing one.
    #[error("item `{item}` depends on the {kind} `{of}`, which the manifest does not have")]
    Lacks {
        /// The item.
        item: ItemName,
        /// The kind of the dependency.
        kind: &'static str,
        /// The name of the dependency.
        of: String,
    },
    /// A proof is for no driver of the bundle, has no modules, or is the second for its kernel.
    #[error(
        "the proof for kernel {0} needs a host driver of its own version, modules, and a kernel of its own"
    )]
    Proof(KernelRelease),
    /// A proof was made from other items.
    #[error("the proof for kernel {0} was made from another driver, patch or package")]
    ProofInputs(KernelRelease),
    /// An archive of packages is described twice.
    #[error("the manifest describes the archive `{0}` twice")]
    ArchiveTwice(ArchiveName),
    /// An archive of packages names an item that is not a plain file of its own.
    #[error("the archive `{archive}` needs item `{item}` as a plain file of its own")]
    ArchiveItem {
        /// The archive.
        archive: ArchiveName,
        /// The item.
        item: ItemName,
    },
    /// It has more than one catalog, or one that exceeds the limit.
    #[error("item `{0}` is a second catalog, or exceeds the size limit of a catalog")]
    Catalog(ItemName),
    /// Only the first item can be `policies`, and only with this name.
    #[error(
        "item `{0}`: signed policies are the first item, named `policies`, of that kind, not executable and of at most {MAX_POLICIES} bytes"
    )]
    Policies(ItemName),
    /// An item is left out that every reader needs from the bundle itself.
    #[error(
        "the bundle leaves out item `{0}`; signed policies, the catalog and the documents of archives must be in it"
    )]
    LeftOut(ItemName),
    /// Its date does not fit into a tar header.
    #[error("the date of the bundle, {0}, is too far in the future for an archive")]
    Created(u64),
}

/// The fields that are read first, from a manifest of any version.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Preamble {
    format: u32,
    needs: ProgramVersion,
}

impl Manifest {
    /// Parses the bytes of a manifest: first only the version fields, then all of it, strictly.
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        let Preamble { format, needs } =
            serde_json::from_slice(bytes).map_err(ManifestError::Syntax)?;
        if format != FORMAT {
            return Err(ManifestError::Format { found: format });
        }
        let have = ProgramVersion::current();
        if needs > have {
            return Err(ManifestError::TooOld { needs, have });
        }
        let manifest: Self = serde_json::from_slice(bytes).map_err(ManifestError::Syntax)?;
        manifest.check()?;
        Ok(manifest)
    }

    /// Returns the bytes that are written to a bundle. Equal manifests give equal bytes.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ManifestError> {
        self.check()?;
        let mut bytes = serde_json::to_vec_pretty(self).map_err(ManifestError::Syntax)?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Returns the item of this name.
    #[must_use]
    pub fn item(&self, name: &ItemName) -> Option<&Item> {
        self.items.iter().find(|item| item.name() == name)
    }

    /// Returns the items that have such a record, each with it: `records(Kind::driver)`.
    pub fn records<'m, T: 'm>(
        &'m self,
        record: impl Fn(&'m Kind) -> Option<&'m T>,
    ) -> impl Iterator<Item = (&'m Item, &'m T)> {
        self.items.iter().filter_map(move |item| Some((item, record(item.kind())?)))
    }

    /// Returns the kind of each item, by its name.
    pub fn kinds(&self) -> impl Iterator<Item = (&ItemName, &Kind)> + Clone {
        self.items.iter().map(|item| (item.name(), item.kind()))
    }

    /// Checks whether there is a package of an archive with this name.
    #[must_use]
    pub fn has_package(&self, name: &str) -> bool {
        self.records(Kind::package).any(|(_, record)| record.name.as_str() == name)
    }

    /// The item that is the catalog.
    #[must_use]
    pub fn catalog(&self) -> Option<&Item> {
        self.items.iter().find(|item| is_catalog(item))
    }

    /// Returns the item with signed policies.
    #[must_use]
    pub fn policies(&self) -> Option<&Item> {
        self.items.first().filter(|item| is_policies(item))
    }

    /// Leaves out the payload of each item for which `base` returns the bundle that has it.
    ///
    /// Keeps the payload that a host judges before it looks into its store: signed policies, the
    /// catalog, and the signed documents of archives.
    #[must_use]
    pub fn leave_out(mut self, base: impl Fn(&Item) -> Option<Base>) -> Self {
        let has_to_stay: Vec<bool> = self.items.iter().map(|item| self.has_to_stay(item)).collect();
        for (item, _) in self.items.iter_mut().zip(has_to_stay).filter(|(_, stays)| !stays) {
            if let Some(base) = base(item) {
                item.leave_to(base);
            }
        }
        self
    }

    /// Returns the items whose payload is in the bundle.
    pub fn carried(&self) -> impl Iterator<Item = &Item> {
        self.items.iter().filter(|item| item.is_carried())
    }

    /// Returns the items whose payload is left out, each with the bundle that has it.
    pub fn left_out(&self) -> impl Iterator<Item = (&Item, &Base)> {
        self.items.iter().filter_map(|item| Some((item, item.base()?)))
    }

    /// Returns the number of payload bytes in the bundle.
    #[must_use]
    pub fn carried_bytes(&self) -> u64 {
        self.carried().map(Item::size).sum()
    }

    /// Returns how much of the payload is in the bundle: `2 of 7 items, 1.2 MiB`.
    #[must_use]
    pub fn carried_summary(&self) -> String {
        let all = count(self.items.len(), "item");
        format!("{} of {all}, {}", self.carried().count(), ByteSize::new(self.carried_bytes()))
    }

    /// Returns the usual file name of the bundle. A delta bundle is another bundle than the full
    /// one, so it has another name.
    #[must_use]
    pub fn file_name(&self) -> String {
        let Self { name, sequence, .. } = self;
        let delta = if self.left_out().next().is_some() { ".delta" } else { "" };
        format!("{name}-{sequence}{delta}.vgpu.tar")
    }

    fn has_to_stay(&self, item: &Item) -> bool {
        let is_document = || self.archives.iter().any(|it| it.items().any(|it| it == item.name()));
        is_policies(item) || is_catalog(item) || is_document()
    }

    fn check(&self) -> Result<(), ManifestError> {
        if self.items.len() > MAX_ITEMS {
            return Err(ManifestError::TooMany(self.items.len()));
        }
        self.wants.check()?;
        if self.archives.len() > MAX_ARCHIVES {
            let (what, count) = ("archives of packages", self.archives.len());
            return Err(WantsError::TooMany { what, count, limit: MAX_ARCHIVES }.into());
        }
        if self.created > MAX_ITEM {
            return Err(ManifestError::Created(self.created));
        }
        check_distinct(self.items.iter().map(Item::name))?;
        self.check_archives()?;
        self.check_proofs()?;
        self.items.iter().try_for_each(|item| self.check_owner(item))?;
        let mut catalogs = self.items.iter().filter(|item| is_catalog(item)).enumerate();
        if let Some((_, item)) = catalogs.find(|(at, item)| *at > 0 || item.size() > MAX_CATALOG) {
            return Err(ManifestError::Catalog(item.name().clone()));
        }
        // A reader finds them before it can trust the manifest, by their place and name.
        let is_wrong = |(at, item): &(usize, &Item)| {
            let is_good = *at == 0 && item.name().as_str() == POLICIES && is_policies(item);
            let is_good = is_good && item.size() <= MAX_POLICIES && item.mode() == ItemMode::Plain;
            (item.name().as_str() == POLICIES || is_policies(item)) && !is_good
        };
        if let Some((_, item)) = self.items.iter().enumerate().find(is_wrong) {
            return Err(ManifestError::Policies(item.name().clone()));
        }
        if let Some((item, _)) = self.left_out().find(|(item, _)| self.has_to_stay(item)) {
            return Err(ManifestError::LeftOut(item.name().clone()));
        }
        let names: BTreeSet<&ItemName> = self.items.iter().map(Item::name).collect();
        match self.wants.items().find(|name| !names.contains(name)) {
            Some(missing) => Err(ManifestError::Missing(missing.clone())),
            None => Ok(()),
        }
    }

    /// Checks that archives have different names, and that their documents are plain items of their
    /// own.
    fn check_archives(&self) -> Result<(), ManifestError> {
        let (mut names, mut documents) = (BTreeSet::new(), BTreeSet::new());
        for archive in &self.archives {
            if !names.insert(&archive.name) {
                return Err(ManifestError::ArchiveTwice(archive.name.clone()));
            }
            for name in archive.items() {
                let is_plain = self.item(name).is_some_and(|item| item.kind().is_plain());
                if !is_plain || !documents.insert(name) {
                    let (archive, item) = (archive.name.clone(), name.clone());
                    return Err(ManifestError::ArchiveItem { archive, item });
                }
            }
        }
        Ok(())
    }

    /// Checks that each proof was made from the items of this bundle, and that each is for another
    /// kernel.
    fn check_proofs(&self) -> Result<(), ManifestError> {
        if self.proofs.len() > Proof::MAX {
            let (what, count) = ("proofs", self.proofs.len());
            return Err(WantsError::TooMany { what, count, limit: Proof::MAX }.into());
        }
        let items = || self.items.iter().map(|item| (item.name(), item.sha256(), item.kind()));
        let targets = self.purpose.as_ref().map(|purpose| &purpose.targets);
        let mut kernels = BTreeSet::new();
        for proof in &self.proofs {
            let mut drivers = self.records(Kind::driver).map(|(_, record)| record);
            let is_there =
                drivers.any(|it| it.kind == DriverKind::Host && it.version == proof.driver);
            if !is_there || proof.modules.is_empty() || !kernels.insert(&proof.kernel) {
                return Err(ManifestError::Proof(proof.kernel.clone()));
            }
            if proof.inputs != Proof::inputs_of(items(), targets) {
                return Err(ManifestError::ProofInputs(proof.kernel.clone()));
            }
        }
        Ok(())
    }

    /// Checks that every item named in the record of an item exists.
    fn check_owner(&self, item: &Item) -> Result<(), ManifestError> {
        let kind_of = |name| self.item(name).map(Item::kind);
        let (is_there, kind, of) = match item.kind() {
            Kind::Patch(PatchRecord { driver, .. }) => {
                (matches!(kind_of(driver), Some(Kind::Driver(_))), "driver", driver.as_str())
            }
            Kind::UnlockLibrary(LibraryRecord { source, .. }) => {
                let is_source = matches!(kind_of(source), Some(Kind::UnlockSource(_)));
                (is_source, "unlock sources", source.as_str())
            }
            Kind::Package(PackageRecord { archive, .. }) => {
                let is_there = self.archives.iter().any(|it| it.name == *archive);
                (is_there, "archive", archive.as_str())
            }
            _ => return Ok(()),
        };
        let lacks = || {
            let (item, of) = (item.name().clone(), of.to_owned());
            ManifestError::Lacks { item, kind, of }
        };
        if is_there { Ok(()) } else { Err(lacks()) }
    }
}

fn is_catalog(item: &Item) -> bool {
    matches!(item.kind(), Kind::Catalog(_))
}

fn is_policies(item: &Item) -> bool {
    matches!(item.kind(), Kind::Policies(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_error_quotes_is_escaped_once() {
        let head = r#"{"format":1,"needs":"0.1.0","name":"a\u001b[2J'b"}"#;
        let error = Manifest::parse(head.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(r"`a\u{1b}[2J\'b` is not"), "{error}");
        let error = Manifest::parse(br#"{"format":1,"needs":"0.1.0","o\u001bk":1}"#).unwrap_err();
        assert!(error.to_string().contains(r"unknown field `o\u{1b}k`"), "{error}");
    }

    #[test]
    fn a_proof_is_of_the_drivers_and_packages_of_its_own_bundle() {
        let digest = crate::Digest::of(b"driver");
        let inputs = crate::Digest::of(format!("{digest}  d.run\n").as_bytes());
        let text = |inputs: &str, version: &str, module: &str| {
            format!(
                r#"{{"format":1,"needs":"0.1.0","made-by":"0.1.0","name":"a","channel":"b",
                "sequence":1,"created":1,"proof":[{{"kernel":"6.8.12-9-pve","driver":"{version}",
                "inputs":"{inputs}","compiler":"gcc","log":"{digest}","module":[{module}]}}],
                "items":[{{"name":"d.run","size":6,"mode":"0644","sha256":"{digest}",
                "kind":{{"driver":{{"version":"535.230.02","kind":"host"}}}},
                "origin":{{"kind":"file"}}}}]}}"#
            )
        };
        let module = format!(r#"{{"name":"nvidia","sha256":"{digest}","signature":"signed"}}"#);
        let parse = |text: String| Manifest::parse(text.as_bytes());
        let good = parse(text(&inputs.to_string(), "535.230.02", &module)).unwrap();
        assert_eq!(good.proofs.len(), 1);
        let again = Manifest::parse(&good.to_bytes().unwrap()).unwrap();
        assert_eq!(again, good);
        let wrong = parse(text(&digest.to_string(), "535.230.02", &module)).unwrap_err();
        assert!(matches!(wrong, ManifestError::ProofInputs(_)), "{wrong}");
        for (version, module) in [("535.230.03", &*module), ("535.230.02", "")] {
            let wrong = parse(text(&inputs.to_string(), version, module)).unwrap_err();
            assert!(matches!(wrong, ManifestError::Proof(_)), "{wrong}");
        }
        let mut twice = good;
        twice.proofs.push(twice.proofs[0].clone());
        assert!(matches!(twice.to_bytes(), Err(ManifestError::Proof(_))));
    }
}
