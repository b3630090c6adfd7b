//! Summaries of changes: names if there are few, counts otherwise.

use std::collections::BTreeSet;
use std::fmt::Display;

use vgpu_manifest::package::PackageReason;
use vgpu_manifest::ui::ByteSize;

use super::records::untagged;
use super::{Archive, Change, Driver, Group, Image, PackageChange, PackageStep, Unlock, short};

/// The limit of names of one kind.
const FEW: usize = 6;

/// Returns a summary of these changes, one line each.
pub(crate) fn lines(changes: &[Change]) -> Vec<String> {
    let explained: BTreeSet<&'static str> = changes.iter().filter_map(explains).collect();
    let mut lines: Vec<String> = Vec::new();
    lines.extend(changes.iter().filter_map(record));
    // After drivers and libraries, which matter most to readers.
    packages(changes, &mut lines);
    lines.extend(changes.iter().filter_map(lesser_record));
    items(changes, &explained, &mut lines);
    lines.extend(changes.iter().filter_map(rest));
    lines
}

/// Returns the group whose items this change explains.
fn explains(change: &Change) -> Option<&'static str> {
    Some(match change {
        Change::Driver { .. } => "driver",
        Change::Package(_) | Change::Archive { .. } => "package",
        Change::Image { .. } => "image",
        Change::Unlock { .. } => "unlock",
        _ => return None,
    })
}

impl Group {
    fn word(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Driver => "driver",
            Self::Package => "package",
            Self::Image => "image",
            Self::Unlock => "unlock",
            Self::Catalog => "catalog",
        }
    }
}

/// Summarizes properties, drivers and unlock libraries.
fn record(change: &Change) -> Option<String> {
    Some(match change {
        Change::Fact { what, from, to } => format!("~ {what}: {from} → {to}"),
        Change::Driver { kind, from, to } => match (from, to) {
            (Some(from), Some(to)) => {
                let mut parts = vec![other(&from.name(), &to.name()).unwrap_or_else(|| to.name())];
                if from.version == to.version && from.sha256 != to.sha256 {
                    parts.push("different bytes of the same version".to_owned());
                }
                parts.extend(patches(from, to));
                format!("~ {kind} driver: {}", parts.join(", "))
            }
            (None, Some(to)) => {
                let patched = to.patches.iter().map(|(item, _)| format!(", patched by {item}"));
                format!("+ {kind} driver: {}{}", to.name(), patched.collect::<String>())
            }
            (Some(from), None) => format!("- {kind} driver: {}", from.name()),
            (None, None) => return None,
        },
        Change::Unlock { from, to } => match (from, to) {
            (Some(from), Some(to)) => {
                let parts = [
                    other(&from.source, &to.source),
                    other(&from.commit(), &to.commit()).map(|it| format!("commit {it}")),
                    other(&from.needs(), &to.needs()),
                ];
                let parts: Vec<_> = parts.into_iter().flatten().collect();
                format!("~ unlock library: {}", parts.join(", "))
            }
            (None, Some(to)) => format!("+ unlock library: {}", to.whole()),
            (Some(from), None) => format!("- unlock library: {}", from.whole()),
            (None, None) => return None,
        },
        _ => return None,
    })
}

/// Summarizes images and archives.
fn lesser_record(change: &Change) -> Option<String> {
    Some(match change {
        Change::Image { from, to } => match (from, to) {
            (Some(from), Some(to)) => {
                let name = untagged(&to.reference);
                let tags = other(&from.tag(), &to.tag());
                let digests = other(&short(&from.digest), &short(&to.digest));
                let digests = digests.map(|it| format!("digest {it}"));
                let parts: Vec<_> = tags.into_iter().chain(digests).collect();
                format!("~ image {name}: {}", parts.join(", "))
            }
            (None, Some(to)) => format!("+ image {}: digest {}", to.reference, short(&to.digest)),
            (Some(from), None) => format!("- image {}", from.reference),
            (None, None) => return None,
        },
        Change::Archive { name, from, to } => match (from, to) {
            (Some(from), Some(to)) => format!("~ archive {name}: {}", archive(from, to)),
            (None, Some(_)) => format!("+ archive {name}"),
            (Some(_), None) => format!("- archive {name}"),
            (None, None) => return None,
        },
        _ => return None,
    })
}

fn archive(from: &Archive, to: &Archive) -> String {
    let days = |seconds: u64| match seconds / (24 * 60 * 60) {
        0 => "less than a day".to_owned(),
        1 => "a day".to_owned(),
        days => format!("{days} days"),
    };
    let age = match (to.dated.checked_sub(from.dated), from.dated - from.dated.min(to.dated)) {
        (Some(0), _) => None,
        (Some(newer), _) => Some(format!("{} newer", days(newer))),
        (None, older) => Some(format!("{} older", days(older))),
    };
    let codename = other(&from.codename, &to.codename);
    let key = other(&from.signed_by, &to.signed_by).map(|it| format!("signed by {it}"));
    let parts: Vec<_> = codename.into_iter().chain(age).chain(key).collect();
    parts.join(", ")
}

fn packages(changes: &[Change], lines: &mut Vec<String>) {
    let is_return = |change: &PackageChange| change.reason == PackageReason::Return;
    for back in [false, true] {
        for step in [
            PackageStep::Newer,
            PackageStep::Older,
            PackageStep::Rebuilt,
            PackageStep::Added,
            PackageStep::Removed,
        ] {
            let found = changes.iter().filter_map(|change| match change {
                Change::Package(it) if it.step == step && is_return(it) == back => Some(it),
                _ => None,
            });
            let found: Vec<&PackageChange> = found.collect();
            if !found.is_empty() {
                let purpose = if back { " for a rollback" } else { "" };
                lines.push(packages_line(step, purpose, &found));
            }
        }
    }
}

/// Lists all packages if they are few, and otherwise the requested ones.
fn packages_line(step: PackageStep, purpose: &str, found: &[&PackageChange]) -> String {
    let (sign, word) = match step {
        PackageStep::Newer => ("~", " newer"),
        PackageStep::Older => ("~", " older"),
        PackageStep::Rebuilt => ("~", " with different bytes of the same version"),
        PackageStep::Added => ("+", ""),
        PackageStep::Removed => ("-", ""),
    };
    let count = counted(found.len(), "package", "packages");
    let head = format!("{sign} {count}{purpose}{word}");
    if found.len() <= FEW {
        return format!("{head}: {}", join(found.iter().map(|it| it.name())));
    }
    let asked = found.iter().filter(|it| it.reason == PackageReason::Requested);
    let asked: Vec<String> = asked.map(|it| it.name()).collect();
    match asked.len() {
        0 => head,
        1..=FEW => format!("{head}, including {}", asked.join(", ")),
        many => format!("{head}, {many} of them requested"),
    }
}

/// Lists the items that no other change explains.
fn items(changes: &[Change], explained: &BTreeSet<&'static str>, lines: &mut Vec<String>) {
    let is_listed = |group: &Group| !explained.contains(group.word());
    let (mut removed, mut added, mut other_bytes) = (Vec::new(), Vec::new(), Vec::new());
    for change in changes {
        match change {
            Change::Bytes { group: Group::Catalog, .. } => {
                lines.push("~ the catalog changed".to_owned());
            }
            Change::Removed { item, group, from } if is_listed(group) => {
                removed.push(format!("- {item}: {from}"));
            }
            Change::Added { item, group, to } if is_listed(group) => {
                added.push(format!("+ {item}: {to}"));
            }
            Change::Bytes { item, group, from, to } if is_listed(group) => {
                other_bytes.push(format!("~ {item}: {from} → {to}"));
            }
            _ => {}
        }
    }
    let properties = changes.iter().filter_map(|change| match change {
        Change::Property { item, what, from, to } => {
            Some(format!("~ {item}: {what} {from} → {to}"))
        }
        _ => None,
    });
    let properties: Vec<String> = properties.collect();
    for (found, head) in [
        (removed, "- {} items"),
        (added, "+ {} items"),
        (other_bytes, "~ {} items with different bytes"),
        (properties, "~ {} properties of items"),
    ] {
        // Separate lines take more space than a list of names, but say more.
        if found.len() <= 2 * FEW {
            lines.extend(found);
        } else {
            lines.push(head.replace("{}", &found.len().to_string()));
        }
    }
}

fn rest(change: &Change) -> Option<String> {
    Some(match change {
        Change::Order => "~ the order of the items changed".to_owned(),
        Change::Size { from, to } => {
            format!("~ size: {} → {}", ByteSize::new(*from), ByteSize::new(*to))
        }
        Change::HostAdded { what } => format!("+ host: {what}"),
        Change::HostRemoved { what } => format!("- host: {what}"),
        _ => return None,
    })
}

/// Summarizes the changed patches of a driver.
fn patches(from: &Driver, to: &Driver) -> Option<String> {
    if from.patches == to.patches {
        return None;
    }
    let names = |driver: &Driver| join(driver.patches.iter().map(|(item, _)| item));
    Some(match (from.patches.is_empty(), to.patches.is_empty()) {
        (true, _) => format!("patched by {}", names(to)),
        (_, true) => "no longer patched".to_owned(),
        _ => match other(&names(from), &names(to)) {
            Some(change) => format!("patched by {change}"),
            None => format!("patched by different bytes of {}", names(to)),
        },
    })
}

impl Driver {
    /// `535.230.02 (vGPU 16.9)`.
    fn name(&self) -> String {
        match self.releases[..] {
            [] => self.version.to_string(),
            ref releases => format!("vGPU {} ({})", releases.join(", "), self.version),
        }
    }
}

impl Image {
    fn tag(&self) -> String {
        self.reference.as_str()[untagged(&self.reference).len()..]
            .trim_start_matches(':')
            .to_owned()
    }
}

impl Unlock {
    /// Returns an abbreviated commit.
    fn commit(&self) -> String {
        self.commit.as_str().chars().take(12).collect()
    }

    fn needs(&self) -> String {
        self.glibc.map_or("not built beforehand".to_owned(), |glibc| format!("glibc {glibc}"))
    }

    fn whole(&self) -> String {
        format!("{} at commit {}, {}", self.source, self.commit(), self.needs())
    }
}

impl PackageChange {
    /// `dkms 3.0.10-8 → 3.0.11-1`.
    fn name(&self) -> String {
        let Self { name, from, to, .. } = self;
        match (from, to) {
            (Some(from), Some(to)) if from != to => format!("{name} {from} → {to}"),
            (_, Some(version)) | (Some(version), None) => format!("{name} {version}"),
            (None, None) => name.to_string(),
        }
    }
}

/// Returns `from → to` if they differ.
fn other<T: PartialEq + Display>(from: &T, to: &T) -> Option<String> {
    (from != to).then(|| format!("{from} → {to}"))
}

fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

fn join<T: Display>(parts: impl Iterator<Item = T>) -> String {
    parts.map(|part| part.to_string()).collect::<Vec<_>>().join(", ")
}
