//! The base of a root: the node's Debian release, made once for each state of its archives.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};
use camino::{Utf8Path, Utf8PathBuf};
use vgpu_manifest::Digest;
use vgpu_manifest::package::{ArchiveName, PackageRecord};

use super::namespace::Rights;
use crate::apt;
use crate::lock::Lock;
use crate::recipe::{Apt, Archive, Keyring};
use crate::types::{Address, LocalPath};
use crate::ui::{Advise as _, Ui};

/// The part of the name of a base that is being made.
const PARTIAL: &str = ".partial";

/// The base of a root that `mmdebstrap` can make.
#[derive(Debug)]
pub(super) struct Base {
    release: ArchiveName,
    /// The archives, as lines of `sources.list`.
    sources: Vec<String>,
    /// The packages that the node has and that the bundle's packages depend on.
    include: BTreeSet<String>,
    /// The digest of everything above, and of the archives' signed state in the lock.
    digest: Digest,
}

impl Base {
    /// Returns the base for the packages of a lock. The recipe has the archives of the release.
    pub(super) fn of(lock: &Lock, apt: &Apt, folder: &Utf8Path) -> anyhow::Result<Self> {
        let release = apt.release.clone();
        let sources: Vec<_> =
            apt.archives.iter().map(|it| source(it, folder)).collect::<anyhow::Result<_>>()?;
        let archives: Vec<_> =
            lock.archives.iter().filter(|archive| archive.codename == release).collect();
        let records = lock.items.iter().filter_map(|item| item.kind.package());
        let records: Vec<_> = records
            .filter(|record| archives.iter().any(|archive| archive.name == record.archive))
            .collect();
        let include = lacking(&records);
        let state = archives.iter().filter_map(|archive| lock.item(&archive.release));
        let mut text = format!("{release}\n{}\n", sources.join("\n"));
        text.extend(include.iter().map(|name| format!("{name}\n")));
        text.extend(state.map(|item| format!("{}\n", item.sha256)));
        let digest = Digest::of(text.as_bytes());
        Ok(Self { release, sources, include, digest })
    }

    /// Returns the path of the base as a tar archive in `folder`, made if necessary.
    pub(super) fn obtain(
        &self,
        rights: Rights,
        folder: &Utf8Path,
        ui: &Ui,
    ) -> anyhow::Result<Utf8PathBuf> {
        let (release, short) = (&self.release, &self.digest.to_string()[..16]);
        let path = folder.join(format!("{release}-{short}.tar"));
        if path.exists() {
            ui.note(format_args!("base root of {release}: from the cache"));
            return Ok(path);
        }
        ui.note(format_args!("base root of {release}: made with mmdebstrap, once"));
        let partial = folder.join(format!("{release}-{short}{PARTIAL}.tar"));
        let output = self.command(rights, &partial).output();
        let output = output
            .context("cannot run `mmdebstrap`")
            .hint("install `mmdebstrap`, or name an archive of a root with `--base`")?;
        if !output.status.success() {
            let text = String::from_utf8_lossy(&output.stderr);
            let is_error = |line: &&str| line.starts_with("E: ") && !line.contains("setup failed");
            let why = text.lines().find(is_error).or(text.lines().next_back()).unwrap_or_default();
            let failed: anyhow::Result<()> =
                Err(anyhow::anyhow!("mmdebstrap cannot make a root of {release}: {why}"));
            failed.hint(
                "check the archives of the recipe, or name an archive of a root with `--base`",
            )?;
        }
        self.sweep(folder);
        fs::rename(&partial, &path).with_context(|| format!("cannot write `{path}`"))?;
        Ok(path)
    }

    fn command(&self, rights: Rights, to: &Utf8Path) -> Command {
        let mut command = Command::new("mmdebstrap");
        // The base system that a recipe without an inventory assumes: `important` and above.
        command.args(["--quiet", rights.mode(), "--variant=important", "--format=tar"]);
        if !self.include.is_empty() {
            let names: Vec<_> = self.include.iter().map(String::as_str).collect();
            command.arg(format!("--include={}", names.join(",")));
        }
        command.args([self.release.as_str(), to.as_str()]).args(&self.sources);
        command.stdin(Stdio::null());
        command
    }

    /// Removes the bases of earlier states of the release. One that cannot be removed is in use.
    fn sweep(&self, folder: &Utf8Path) {
        let Ok(entries) = folder.read_dir_utf8() else { return };
        let prefix = format!("{}-", self.release);
        for entry in entries.flatten() {
            let name = entry.file_name();
            if name.starts_with(&prefix) && !name.contains(PARTIAL) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

/// Returns the line of `sources.list` for an archive.
fn source(archive: &Archive, folder: &Utf8Path) -> anyhow::Result<String> {
    let mirror = match archive.mirrors.first() {
        Some(Address::Web(url)) => url.public(),
        Some(Address::Folder(path)) => format!("file:{path}"),
        None => bail!("archive `{}` has no address", archive.name),
    };
    let keyring = match &archive.keyring {
        Keyring::File(path) => absolute(path, folder)?,
        Keyring::Found(_) => apt::installed(&archive.signed_by)?
            .with_context(|| {
                format!("no keyring of this machine has the keys of archive `{}`", archive.name)
            })
            .hint("install the package with it, or name a file with `keyring`")?,
    };
    let components: Vec<_> = archive.components.iter().map(ToString::to_string).collect();
    let components = components.join(" ");
    Ok(format!("deb [signed-by={keyring}] {mirror} {} {components}", archive.suite))
}

fn absolute(path: &LocalPath, folder: &Utf8Path) -> anyhow::Result<Utf8PathBuf> {
    let path = path.below(folder);
    camino::absolute_utf8(&path).with_context(|| format!("cannot use `{path}`"))
}

/// Returns the packages that these packages depend on and that are not among them: the first of each
/// group of alternatives.
fn lacking(records: &[&PackageRecord]) -> BTreeSet<String> {
    let ours: BTreeSet<&str> = records.iter().map(|record| record.name.as_str()).collect();
    let relations = records.iter().flat_map(|record| &record.fields);
    let depends =
        relations.filter(|(field, _)| ["Depends", "Pre-Depends"].contains(&field.as_str()));
    let groups = depends.flat_map(|(_, value)| value.as_str().split(','));
    let mut lacking = BTreeSet::new();
    for group in groups {
        let names: Vec<&str> = group.split('|').map(name).collect();
        if let Some(first) = names.first().filter(|name| !name.is_empty())
            && !names.iter().any(|name| ours.contains(name))
            && !provided(records, first)
        {
            lacking.insert((*first).to_owned());
        }
    }
    lacking
}

/// Returns the name in a relation such as `libc6:any (>= 2.36)`.
fn name(relation: &str) -> &str {
    relation.trim().split([' ', '(', ':', '[']).next().unwrap_or_default()
}

fn provided(records: &[&PackageRecord], wanted: &str) -> bool {
    let relations = records.iter().flat_map(|record| &record.fields);
    let mut provides = relations.filter(|(field, _)| field.as_str() == "Provides");
    provides.any(|(_, value)| value.as_str().split(',').any(|one| name(one) == wanted))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use vgpu_manifest::package::PackageReason;

    use super::*;

    fn record(name: &str, fields: &[(&str, &str)]) -> PackageRecord {
        let fields =
            fields.iter().map(|(field, value)| (field.parse().unwrap(), value.parse().unwrap()));
        PackageRecord {
            name: name.parse().unwrap(),
            arch: "amd64".parse().unwrap(),
            version: "1".parse().unwrap(),
            reason: PackageReason::Needed,
            installed: None,
            archive: "main".parse().unwrap(),
            fields: fields.collect::<BTreeMap<_, _>>(),
            headers: None,
        }
    }

    #[test]
    fn the_base_has_the_dependencies_that_the_bundle_lacks() {
        let dkms = record(
            "dkms",
            &[
                ("Depends", "kmod | kldutils, gcc | c-compiler, dpkg-dev, make | build-essential"),
                ("Pre-Depends", "lsb-release (>= 5.6), libc6:any (>= 2.36)"),
                ("Recommends", "fakeroot, sudo"),
            ],
        );
        let gcc = record("gcc-12", &[("Provides", "c-compiler, gcc-x86-64 (= 12)")]);
        let make = record("make", &[("Depends", "libc6, gcc-x86-64")]);
        let found = lacking(&[&dkms, &gcc, &make]);
        let found: Vec<&str> = found.iter().map(String::as_str).collect();
        assert_eq!(found, ["dpkg-dev", "gcc", "kmod", "libc6", "lsb-release"]);
    }
}
