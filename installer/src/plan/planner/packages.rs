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
            return Err(Unsuitable::ProxmoxVe);
        }
        if !["amd64", "all"].contains(&record.arch.as_str()) {
            let [package, arch] = [record.name.as_str(), record.arch.as_str()].map(str::to_owned);
            return Err(Unsuitable::Architecture { package, arch });
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
            return Err(Unsuitable::UnsignedKernel(file.name.to_string()));
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
        None => Err(Unsuitable::Release {
            carries: releases.into_iter().map(str::to_owned).collect(),
            here: here.map(str::to_owned),
        }),
    }
}
