//! The real apt of a release: the packages it takes from the full mirror, and whether it accepts
//! the bundle's.

use std::collections::BTreeMap;

use vgpu_manifest::package::{PackageReason, PackageRecord};
use vgpu_manifest::{Item, Kind, Manifest};
use vgpu_tests::repository::Repository;
use vgpu_tests::roots::Root;
use vgpu_tests::scratch::{Said, expect, run};

use super::nodes::path;
use super::sets::{Set, Upgrades};

/// Packages by name, with the sizes of their files.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Taken(BTreeMap<String, u64>);

impl Taken {
    /// Returns the packages in a bundle.
    pub(super) fn by_us(manifest: &Manifest) -> Self {
        let meant = meant(manifest);
        Self(meant.map(|(item, record)| (record.name.as_str().to_owned(), item.size())).collect())
    }

    /// Returns the packages that apt takes from the full mirror, where `status` is the node's in
    /// the networked root.
    pub(super) fn by_apt(mirror: &Root, set: &Set, status: &str) -> Self {
        let mut taken = ask(mirror, status, "install", &set.packages());
        if set.upgrades == Upgrades::All {
            taken.0.extend(ask(mirror, status, "dist-upgrade", &[]).0);
        }
        taken
    }

    /// Returns the number of packages.
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// Returns the number of bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.0.values().sum()
    }

    /// Returns the names that `other` does not have.
    pub(super) fn beyond(&self, other: &Self) -> Vec<&str> {
        let more = self.0.keys().filter(|name| !other.0.contains_key(*name));
        more.map(String::as_str).collect()
    }
}

/// Returns the packages that apt would download, from its list `'URL' name_version_arch.deb size
/// hash`.
fn ask(mirror: &Root, status: &str, verb: &str, packages: &[&str]) -> Taken {
    let status = format!("Dir::State::status={status}");
    let options = ["--print-uris", "--quiet=2", "--no-install-recommends", "--yes"];
    let more = ["-o", &status, "-o", "Debug::NoLocking=1", verb];
    let words = [&["apt-get"], &options[..], &more[..], packages].concat();
    let said = expect(mirror.online(&words), 0);
    let line = |line: &str| {
        let mut words = line.split(' ').skip(1);
        let name = words.next()?.split('_').next()?.to_owned();
        Some((name, words.next()?.parse().ok()?))
    };
    Taken(said.out.lines().filter(|it| it.starts_with('\'')).filter_map(line).collect())
}

/// Checks that apt accepts the repository alone; returns its output if not.
pub(super) fn simulate(repository: &Repository<'_>, set: &Set) -> Result<(), String> {
    let status = format!("Dir::State::status={}", path(set.node));
    let options = ["--simulate", "--no-install-recommends", "-o", &status, "install"];
    succeeded(run(repository.apt(&[&options, &set.packages()[..]].concat())))
}

/// Checks that the set can be installed from the repository alone, in the versions of the bundle;
/// returns the error if not.
pub(super) fn installed(
    root: &Root,
    repository: &Repository<'_>,
    manifest: &Manifest,
) -> Result<(), String> {
    let exact =
        meant(manifest).map(|(_, it)| format!("{}={}", it.name.as_str(), it.version.as_str()));
    let exact: Vec<_> = exact.collect();
    let exact = exact.iter().map(String::as_str);
    let options = ["--yes", "--no-remove", "--no-install-recommends", "install"];
    let words: Vec<_> = options.into_iter().chain(exact).collect();
    let mut command = repository.apt(&words);
    // A copy that is lost with the machine need not be durable.
    command.env("DPKG_FORCE", "unsafe-io");
    succeeded(run(command))?;
    let said = run(root.command(&["dpkg", "--audit"]));
    if said.code != Some(0) || !said.out.is_empty() {
        return Err(said.out + &said.err);
    }
    let format = "${Package} ${Version} ${db:Status-Abbrev}\n";
    let all = run(root.command(&["dpkg-query", "--show", "--showformat", format])).out;
    let missing = meant(manifest).map(|(_, record)| record).filter(|record| {
        let line = format!("{} {} ii ", record.name.as_str(), record.version.as_str());
        !all.lines().any(|it| it == line)
    });
    let missing: Vec<_> = missing.map(|record| record.name.as_str()).collect();
    if missing.is_empty() { Ok(()) } else { Err(format!("not installed: {}", missing.join(" "))) }
}

/// Returns the packages for the node, without those for a revert.
fn meant(manifest: &Manifest) -> impl Iterator<Item = (&Item, &PackageRecord)> {
    manifest.records(Kind::package).filter(|(_, record)| record.reason != PackageReason::Return)
}

fn succeeded(said: Said) -> Result<(), String> {
    if said.code == Some(0) { Ok(()) } else { Err(said.out + &said.err) }
}
