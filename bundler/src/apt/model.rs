//! Available package versions, as the solver sees them, and the interface to load more.

use vgpu_manifest::DebVersion;
use vgpu_manifest::inventory::{Name, PackageName};
use vgpu_manifest::package::ArchiveName;

use crate::types::Stanza;
use crate::types::relation::{self, Alternatives, Provided, Qualifier, Relation, RelationError};

/// A version of a package, with all properties that decide what it can be installed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) name: PackageName,
    /// `amd64`, `all`.
    pub(crate) arch: Name,
    pub(crate) version: DebVersion,
    pub(crate) pre_depends: Vec<Alternatives>,
    pub(crate) depends: Vec<Alternatives>,
    pub(crate) conflicts: Vec<Relation>,
    pub(crate) breaks: Vec<Relation>,
    pub(crate) provides: Vec<Provided>,
    pub(crate) essential: Essential,
    pub(crate) multi_arch: MultiArch,
    pub(crate) importance: Importance,
    /// The size of its file in bytes.
    pub(crate) size: u64,
    pub(crate) offer: Offer,
}

/// The architecture of every node: Proxmox VE supports no other.
pub(crate) const NATIVE: &str = "amd64";

/// The source of a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Offer {
    pub(crate) archive: ArchiveName,
    pub(crate) pin: Pin,
    /// The position of its stanza, which only the [`Universe`] can interpret.
    pub(crate) place: Place,
}

/// The position of a stanza.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place(pub(crate) u64);

/// The pin priority of an archive, as in `apt_preferences(5)`: 500 is the default, 100 is for
/// backports, below 0 is never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Pin(pub(crate) i16);

/// The `Essential` flag of a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Essential {
    Yes,
    No,
}

/// The `Multi-Arch` field of a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MultiArch {
    No,
    Same,
    Foreign,
    /// Other packages may depend on it with `:any`.
    Allowed,
}

/// The field `Priority`, the most important first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Importance {
    Required,
    Important,
    Standard,
    Optional,
    Extra,
    /// Unknown value.
    Unknown,
}

/// All versions of all packages that the archives of a recipe offer, for one architecture and
/// `all`.
///
/// Versions are loaded on demand: an index of Debian has sixty thousand stanzas, of which a closure
/// needs some hundreds.
pub(crate) trait Universe {
    /// Why a version cannot be read.
    type Error;

    /// Returns every version of the package, once for each archive that offers it, in any order.
    fn versions(&self, name: &PackageName) -> Result<Vec<Candidate>, Self::Error>;

    /// Returns every version of other packages that provides this name, in any order.
    fn providers(&self, name: &PackageName) -> Result<Vec<Candidate>, Self::Error>;
}

/// A stanza does not describe an installable package.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CandidateError {
    /// A mandatory field is missing.
    #[error("it has no `{0}`")]
    Missing(&'static str),
    /// A field has an invalid value.
    #[error("its `{field}`: {why}")]
    Field {
        field: &'static str,
        /// The reason, safe to show.
        why: String,
    },
}

impl Candidate {
    /// Parses the package that a stanza describes.
    pub(crate) fn read(stanza: &Stanza<'_>, offer: Offer) -> Result<Self, CandidateError> {
        let groups = |field| match stanza.get(field) {
            None => Ok(Vec::new()),
            Some(text) => relation::dependencies(text, NATIVE).map_err(|e| wrong(field, &e)),
        };
        let relations = |field| match stanza.get(field) {
            None => Ok(Vec::new()),
            Some(text) => relation::relations(text, NATIVE).map_err(|e| wrong(field, &e)),
        };
        let provides = stanza.get("Provides").map_or(Ok(Vec::new()), |text| {
            relation::provides(text, NATIVE).map_err(|e: RelationError| wrong("Provides", &e))
        })?;
        Ok(Self {
            name: needed(stanza, "Package")?,
            arch: needed(stanza, "Architecture")?,
            version: needed(stanza, "Version")?,
            pre_depends: groups("Pre-Depends")?,
            depends: groups("Depends")?,
            conflicts: relations("Conflicts")?,
            breaks: relations("Breaks")?,
            provides,
            essential: match stanza.get("Essential") {
                Some("yes") => Essential::Yes,
                _ => Essential::No,
            },
            multi_arch: match stanza.get("Multi-Arch") {
                Some("same") => MultiArch::Same,
                Some("foreign") => MultiArch::Foreign,
                Some("allowed") => MultiArch::Allowed,
                _ => MultiArch::No,
            },
            importance: Importance::of(stanza.get("Priority")),
            size: stanza.get("Size").map_or(Ok(0), str::parse).map_err(|e| wrong("Size", &e))?,
            offer,
        })
    }

    /// Returns whether this version satisfies a dependency.
    pub(crate) fn satisfies(&self, needed: &Relation) -> bool {
        let right_arch = match &needed.qualifier {
            Qualifier::Same | Qualifier::Only(None) => true,
            Qualifier::Only(Some(arch)) => arch.as_str() == NATIVE,
            Qualifier::Any => self.multi_arch == MultiArch::Allowed,
        };
        right_arch && self.is_named(needed)
    }

    /// Returns whether a conflict excludes this version.
    pub(crate) fn offends(&self, unwanted: &Relation) -> bool {
        let right_arch = match &unwanted.qualifier {
            Qualifier::Same | Qualifier::Only(None) | Qualifier::Any => true,
            Qualifier::Only(Some(arch)) => arch.as_str() == NATIVE,
        };
        right_arch && self.is_named(unwanted)
    }

    /// Checks whether it has or provides the name, in a fitting version.
    fn is_named(&self, relation: &Relation) -> bool {
        let fits = |version| relation.bound.as_ref().is_none_or(|bound| bound.holds(version));
        if self.name == relation.name && fits(&self.version) {
            return true;
        }
        let mut provides = self.provides.iter().filter(|own| own.name == relation.name);
        provides.any(|own| match &own.version {
            Some(version) => fits(version),
            // A versioned relation cannot match an unversioned `Provides`.
            None => relation.bound.is_none(),
        })
    }
}

impl Importance {
    fn of(field: Option<&str>) -> Self {
        match field {
            Some("required") => Self::Required,
            Some("important") => Self::Important,
            Some("standard") => Self::Standard,
            Some("optional") => Self::Optional,
            Some("extra") => Self::Extra,
            _ => Self::Unknown,
        }
    }
}

fn needed<T>(stanza: &Stanza<'_>, field: &'static str) -> Result<T, CandidateError>
where
    T: std::str::FromStr<Err: std::fmt::Display>,
{
    let text = stanza.get(field).ok_or(CandidateError::Missing(field))?;
    text.parse().map_err(|error: T::Err| wrong(field, &error))
}

fn wrong(field: &'static str, error: &dyn std::fmt::Display) -> CandidateError {
    CandidateError::Field { field, why: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Candidate, CandidateError> {
        let offer = Offer { archive: "bookworm".parse().unwrap(), pin: Pin(500), place: Place(0) };
        Candidate::read(&Stanza::parse(text).unwrap(), offer)
    }

    #[test]
    fn a_stanza_of_an_index_becomes_a_candidate() {
        let dkms = read(
            "Package: dkms\nVersion: 3.0.10-8+deb12u1\nArchitecture: all\nPriority: optional\n\
             Multi-Arch: foreign\nProvides: dh-sequence-dkms (= 3)\nSize: 48736\n\
             Pre-Depends: lsb-release\nDepends: kmod | kldutils, gcc | c-compiler,\n make | x\n\
             Breaks: x (<< 2)\nConflicts: y\nDescription: long\n text\n .\n more\n",
        )
        .unwrap();
        assert_eq!(dkms.depends.len(), 3);
        assert_eq!(dkms.depends[2].to_string(), "make | x");
        assert_eq!(dkms.pre_depends[0].to_string(), "lsb-release");
        assert_eq!((dkms.breaks.len(), dkms.conflicts.len(), dkms.provides.len()), (1, 1, 1));
        assert_eq!((dkms.multi_arch, dkms.importance), (MultiArch::Foreign, Importance::Optional));
        assert_eq!((dkms.essential, dkms.size), (Essential::No, 48_736));
    }

    #[test]
    fn a_stanza_that_lacks_something_is_refused() {
        for (text, why) in [
            ("Package: a\nVersion: 1\n", "no `Architecture`"),
            ("Package: A\nVersion: 1\nArchitecture: all\n", "`Package`"),
            ("Package: a\nVersion: x\nArchitecture: all\n", "`Version`"),
            ("Package: a\nVersion: 1\nArchitecture: all\nSize: -1\n", "`Size`"),
            ("Package: a\nVersion: 1\nArchitecture: all\nDepends: (1)\n", "`Depends`"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}
