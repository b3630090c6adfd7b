use std::collections::BTreeSet;

use vgpu_manifest::inventory::{Inventory, Name};
use vgpu_manifest::package::{ArchiveName, PackageReason};
use vgpu_manifest::platform::SecureBoot;
use vgpu_manifest::{Kind, Manifest};

use super::Unsuitable;
use crate::packages::PackageFile;
use crate::step::{InstallPackages, KeepRepository, Step};

/// Installs the requested packages, and keeps all packages on the host as a repository if the
/// bundle requests it.
pub(super) fn steps(manifest: &Manifest, facts: &Inventory) -> Result<Vec<Step>, Unsuitable> {
    let files = files(manifest, facts)?;
    let mut steps = Vec::new();
    if files.iter().any(|file| file.reason == PackageReason::Requested) {
        steps.push(Step::InstallPackages(InstallPackages { files: files.clone() }));
    }
    if let Some(style) = manifest.wants.packages.repository.filter(|_| !files.is_empty()) {
        steps.push(Step::KeepRepository(KeepRepository { style, files }));
    }
    Ok(steps)
}

/// Returns the bundle's packages for the host's release. Packages that are only included make no
/// demand.
fn files(manifest: &Manifest, facts: &Inventory) -> Result<Vec<PackageFile>, Unsuitable> {
    let mut files = Vec::new();
    let archives = archives(manifest, facts)?;
    for (item, record) in manifest.records(Kind::package) {
        if !archives.contains(&record.archive) {
            continue;
        }
        if record.name.as_str() == "proxmox-ve" {
            return Err(Unsuitable::Reason(
                "the bundle contains `proxmox-ve`, which is never changed; build it without this \
                    package"
                    .to_owned(),
            ));
        }
        if !["amd64", "all"].contains(&record.arch.as_str()) {
            return Err(Unsuitable::Reason(format!(
                "the bundle contains {} for {}; only amd64 is supported",
                record.name.as_str(),
                record.arch.as_str()
            )));
        }
        let mut file = PackageFile::of(record, item);
        let requested = file.reason == PackageReason::Requested;
        if requested && !manifest.wants.packages.installs(&file.name) {
            file.reason = PackageReason::Needed;
        }
        if facts.boot.secure_boot == SecureBoot::Enabled
            && file.reason != PackageReason::Return
            && is_unsigned_kernel(file.name.as_str())
        {
            return Err(Unsuitable::Reason(format!(
                "Secure Boot is on, but the bundle's kernel {0} is not signed; build it with \
                    `{0}-signed`",
                file.name
            )));
        }
        files.push(file);
    }
    Ok(files)
}

/// Checks whether a package is an unsigned kernel: Proxmox's signed kernels end in `-signed`,
/// Debian's unsigned ones in `-unsigned`.
fn is_unsigned_kernel(name: &str) -> bool {
    let proxmox = ["proxmox-kernel-", "pve-kernel-"].iter().any(|kind| name.starts_with(kind));
    (proxmox && name.ends_with("-pve"))
        || (name.starts_with("linux-image-") && name.ends_with("-unsigned"))
}

/// Returns the archives whose packages are for the host's Debian release.
fn archives<'m>(
    manifest: &'m Manifest,
    facts: &Inventory,
) -> Result<BTreeSet<&'m ArchiveName>, Unsuitable> {
    let releases: BTreeSet<_> =
        manifest.archives.iter().map(|archive| archive.codename.as_str()).collect();
    let here = facts.os.codename.as_ref().map(Name::as_str);
    // A host without a known release gets the archives only if there is no choice.
    let release = match here {
        Some(here) => releases.iter().find(|release| **release == here),
        None => releases.first().filter(|_| releases.len() == 1),
    };
    match release {
        Some(release) => {
            let own = manifest.archives.iter().filter(|one| one.codename.as_str() == *release);
            Ok(own.map(|archive| &archive.name).collect())
        }
        None if manifest.records(Kind::package).next().is_none() => Ok(BTreeSet::new()),
        None => {
            let releases: Vec<_> = releases.into_iter().collect();
            let here = here.map_or("does not state its release".to_owned(), |here| {
                format!("is {}", here.escape_debug())
            });
            Err(Unsuitable::Reason(format!(
                "the bundle contains packages for {}, but this host {here}",
                releases.join(" and ")
            )))
        }
    }
}
