//! Resolves a table of packages again: release, indexes, node, solution.

use vgpu_manifest::ItemName;
use vgpu_manifest::package::ArchiveName;

use super::archive::{self, Document, Opened};
use super::error::AptError;
use super::expand::Part;
use super::index::{IndexError, Indexes, Keep, Obtained, Packed, obtain};
use super::model::{NATIVE, Pin};
use super::node::{self, Known};
use super::part;
use super::release::{IndexesOfAll, day};
use super::solve::{Node, Solution, solve};
use super::summary;
use crate::items::source::Sources;
use crate::lock::Lock;
use crate::recipe::{self, Apt, Archive};
use crate::types::Origin;

/// An archive and its downloaded files.
#[derive(Debug)]
pub(super) struct Used<'r> {
    pub(super) archive: &'r Archive,
    pub(super) opened: Opened,
    /// Its indexes, in the form that a bundle can include.
    pub(super) packed: Vec<(String, Packed)>,
}

/// Downloads releases and indexes of the archives of a table, and resolves it.
pub(super) fn renew(
    sources: &Sources<'_>,
    table: &Apt,
    known: Known,
    previous: Option<&Lock>,
) -> Result<Part, AptError> {
    let mut indexes = Indexes::default();
    let mut used = Vec::new();
    for archive in &table.archives {
        let opened = open(sources, table, archive, previous)?;
        print_notes(sources, archive, &opened, previous);
        used.push(take_in(sources, table, archive, opened, &mut indexes)?);
    }
    let names = used.iter().map(|it| (&it.archive.name, it.opened.release.codename.as_deref()));
    check_release(&table.release, names)?;
    let ui = sources.fetcher.ui;
    ui.note(format_args!("{}: {} packages to choose from", table.release, indexes.len()));
    let stock = match known {
        Known::Node(_) => None,
        Known::Stock => Some(node::stock(&indexes, &table.release)?),
    };
    let node = match (known, &stock) {
        (Known::Node(node), _) => {
            if let Some(line) = summary::strangers(&node, &indexes) {
                ui.note(line);
            }
            node
        }
        (Known::Stock, base) => Node::of_packages(base.iter().flatten()),
    };
    let solution = solve(&indexes, &node, &table.install, table.upgrades)
        .map_err(|source| AptError::Solve { release: table.release.clone(), source })?;
    for line in indexes.unread() {
        ui.note(format_args!("skipped an unreadable stanza: {line}"));
    }
    let Solution { changes, kept_back } = solution;
    let stock = stock.map(|base| summary::Stock::of(base, &changes, table.upgrades));
    for line in summary::lines(&table.release, &changes, &kept_back, stock.as_ref()) {
        ui.note(line);
    }
    let riding = stock.map(|stock| stock.riding).unwrap_or_default();
    part::part(table, &used, &indexes, &changes, &riding)
}

/// The Debian releases of supported hosts, and their neighbors.
const DEBIAN: [&str; 6] = ["buster", "bullseye", "bookworm", "trixie", "forky", "sid"];

/// Checks that not all archives of Debian are of another release than the nodes.
///
/// An archive of another release may add some packages, and other archives have codenames of their
/// own.
fn check_release<'a>(
    release: &ArchiveName,
    archives: impl Iterator<Item = (&'a ArchiveName, Option<&'a str>)>,
) -> Result<(), AptError> {
    let known: Vec<_> = archives.filter_map(|(name, codename)| Some((name, codename?))).collect();
    if known.iter().any(|(_, codename)| *codename == release.as_str()) {
        return Ok(());
    }
    match known.into_iter().find(|(_, codename)| DEBIAN.contains(codename)) {
        Some((archive, found)) => Err(AptError::OtherRelease {
            release: release.clone(),
            archive: archive.clone(),
            found: found.to_owned(),
        }),
        None => Ok(()),
    }
}

/// Returns the release of an archive; without network access, the one in the last lock.
fn open(
    sources: &Sources<'_>,
    table: &Apt,
    archive: &Archive,
    previous: Option<&Lock>,
) -> Result<Opened, AptError> {
    let error = match archive::open(sources, archive, &table.release) {
        Ok(opened) => return Ok(opened),
        Err(error) => error,
    };
    let kept = previous.filter(|_| error.is_offline()).and_then(|lock| documents(lock, archive));
    let Some(kept) = kept else { return Err(error.into()) };
    let mut opened = archive::reopen(sources, archive, &table.release, kept)?;
    opened.notes.push("offline, so the release of the last lock is used".to_owned());
    Ok(opened)
}

/// Returns the signed files of an archive in an earlier lock.
fn documents(lock: &Lock, archive: &Archive) -> Option<Vec<Document>> {
    let record = lock.archives.iter().find(|record| record.name == archive.name)?;
    let document = |name: &ItemName, file| {
        let item = lock.items.iter().find(|item| item.name == *name)?;
        let Origin::Evidence { addresses, kept } = &item.origin else { return None };
        Some(Document { file, bytes: kept.unpack().ok()?, addresses: addresses.clone() })
    };
    match &record.signature {
        None => Some(vec![document(&record.release, "InRelease")?]),
        Some(signature) => {
            Some(vec![document(&record.release, "Release")?, document(signature, "Release.gpg")?])
        }
    }
}

/// Prints the notes on an archive.
fn print_notes(sources: &Sources<'_>, archive: &Archive, opened: &Opened, previous: Option<&Lock>) {
    let ui = sources.fetcher.ui;
    let Opened { release, notes, .. } = opened;
    let name = &archive.name;
    ui.note(format_args!(
        "{name}: release of {}, signed by {}",
        day(release.dated),
        release.signed_by
    ));
    for note in notes {
        ui.note(format_args!("{name}: {note}"));
    }
    let before = previous.and_then(|lock| lock.archives.iter().find(|it| it.name == *name));
    if let Some(before) = before.filter(|before| before.dated > release.dated) {
        ui.note(format_args!(
            "{name}: the release of the mirror is older than the locked one of {}",
            day(before.dated)
        ));
    }
}

/// Adds the indexes of an archive to the universe.
fn take_in<'r>(
    sources: &Sources<'_>,
    table: &Apt,
    archive: &'r Archive,
    opened: Opened,
    indexes: &mut Indexes,
) -> Result<Used<'r>, AptError> {
    let keep = match table.indexes {
        recipe::Indexes::Carry => Keep::Both,
        recipe::Indexes::Leave => Keep::Text,
    };
    let mut packed = Vec::new();
    let arches: &[&str] = match opened.release.indexes_of_all {
        IndexesOfAll::Apart => &[NATIVE, "all"],
        IndexesOfAll::Within => &[NATIVE],
    };
    for component in &archive.components {
        for arch in arches {
            let found = obtain(sources, archive, &opened.release, (component, arch), keep);
            let Obtained { text, packed: form } = match found {
                // The index for all architectures is optional.
                Err(error) if *arch == "all" && error.is_absent() => continue,
                found => found?,
            };
            indexes
                .add(text, &archive.name, Pin(archive.priority))
                .map_err(|source| IndexError::Scan { archive: archive.name.to_string(), source })?;
            let arch = if *arch == NATIVE { String::new() } else { format!("{arch}_") };
            packed.push((format!("{component}_{arch}Packages{}", form.suffix), form));
        }
    }
    Ok(Used { archive, opened, packed })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archives_of_another_release_only_are_refused() {
        let check = |release: &str, archives: &[(&str, Option<&str>)]| {
            let archives: Vec<(ArchiveName, _)> = archives
                .iter()
                .map(|(name, codename)| (name.parse().unwrap(), *codename))
                .collect();
            let archives = archives.iter().map(|(name, codename)| (name, *codename));
            check_release(&release.parse().unwrap(), archives).map_err(|error| error.to_string())
        };
        let trixie = ("debian", Some("trixie"));
        let told = check("bookworm", &[trixie, ("own", Some("stable"))]).unwrap_err();
        assert!(
            told.contains(
                "are for `bookworm`, but the signed release of the archive `debian` is of `trixie`"
            ),
            "{told}"
        );
        // An archive of another release may add to those of the nodes' own.
        assert!(check("bookworm", &[trixie, ("pve", Some("bookworm"))]).is_ok());
        assert!(check("bookworm", &[("own", Some("stable")), ("flat", None)]).is_ok());
        assert!(check("trixie", &[trixie]).is_ok());
    }
}
