//! The storages of Proxmox VE that have files in folders of this node.
//!
//! The rules are those of pve-storage 9.1.7: `Storage/Plugin.pm` for the list, `DirPlugin.pm` for
//! mount points, `NFSPlugin.pm` and others for the default path.

use std::collections::{BTreeMap, BTreeSet};

use vgpu_manifest::HostPath;

use crate::host::{HostError, Look};
use crate::state::fixed;

/// A storage of Proxmox VE for CD images, which a VM can attach, or for container templates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileStorage {
    /// Its name in Proxmox VE.
    pub(crate) name: String,
    /// The folder for such files.
    pub(crate) folder: HostPath,
}

/// Proxmox VE's list of storages.
const LIST: &str = "/etc/pve/storage.cfg";

/// The types whose files are in a folder, those with a local one first. All others are volumes or
/// remote.
const LOCAL: [&str; 2] = ["dir", "btrfs"];
const MOUNTED: [&str; 4] = ["nfs", "cifs", "cephfs", "glusterfs"];

impl FileStorage {
    /// Returns the storage for CD images: `local` if it may hold them, else the first with a local
    /// folder that may, else a mounted one; `None` if none may.
    pub(crate) fn for_images(look: &dyn Look) -> Result<Option<Self>, HostError> {
        Self::found(look, Purpose::Images)
    }

    /// Returns the storage for container templates, chosen likewise.
    pub(crate) fn for_templates(look: &dyn Look) -> Result<Option<Self>, HostError> {
        Self::found(look, Purpose::Templates)
    }

    fn found(look: &dyn Look, purpose: Purpose) -> Result<Option<Self>, HostError> {
        let text = |path| Ok::<_, HostError>(look.text(&fixed(path))?.unwrap_or_default());
        let (list, host, mounts) = (text(LIST)?, text("/etc/hostname")?, text("/proc/mounts")?);
        let mounts = mounts.lines().filter_map(|line| line.split(' ').nth(1)).collect();
        // Proxmox VE uses the host name without the domain.
        let host = host.trim().split('.').next().unwrap_or_default();
        Ok(Self::in_list(&list, &Here { host, mounts }, purpose))
    }

    fn in_list(list: &str, here: &Here<'_>, purpose: Purpose) -> Option<Self> {
        let sections = sections(list);
        let local = sections.iter().find(|section| section.name == "local");
        let local = match local.filter(|local| local.is_standard()) {
            Some(local) => local.fits(here, purpose),
            None => Some(Self::standard(purpose)),
        };
        let others = |kinds: &[&str]| {
            let of_kind = sections.iter().filter(|section| kinds.contains(&section.kind));
            let mut others = of_kind.filter(|section| section.name != "local");
            others.find_map(|section| section.fits(here, purpose))
        };
        local.or_else(|| others(&LOCAL)).or_else(|| others(&MOUNTED))
    }

    /// Returns the storage `local`, which may hold everything where the list says nothing else.
    fn standard(purpose: Purpose) -> Self {
        let (_, folder) = purpose.names();
        Self { name: "local".to_owned(), folder: fixed(&format!("{STANDARD}/{folder}")) }
    }
}

/// The folder of the storage `local`.
const STANDARD: &str = "/var/lib/vz";

/// The paths that a storage depends on besides its settings.
struct Here<'t> {
    /// The name of this node.
    host: &'t str,
    /// The mount points of this node.
    mounts: BTreeSet<&'t str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Images,
    Templates,
}

impl Purpose {
    /// Returns the type of content and its folder in a storage, as Proxmox VE names both.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Images => ("iso", "template/iso"),
            Self::Templates => ("vztmpl", "template/cache"),
        }
    }
}

/// An entry of the list: `dir: local`, and below it indented lines `key value`.
struct Section<'t> {
    kind: &'t str,
    name: &'t str,
    keys: BTreeMap<&'t str, &'t str>,
}

fn sections(list: &str) -> Vec<Section<'_>> {
    let mut sections: Vec<Section<'_>> = Vec::new();
    for line in list.lines().filter(|line| !line.trim_start().starts_with('#')) {
        let is_inside = line.starts_with([' ', '\t']);
        let line = line.trim();
        if !is_inside {
            if let Some((kind, name)) = line.split_once(':') {
                sections.push(Section { kind, name: name.trim(), keys: BTreeMap::new() });
            }
        } else if let Some(section) = sections.last_mut() {
            let (key, value) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
            section.keys.insert(key, value.trim());
        }
    }
    sections
}

impl Section<'_> {
    /// Checks whether Proxmox VE uses these settings of `local`. Others it replaces by the standard
    /// ones, because that storage is the same on all nodes.
    fn is_standard(&self) -> bool {
        self.kind == "dir" && self.keys.get("path").is_none_or(|path| *path == STANDARD)
    }

    fn list(&self, key: &str) -> impl Iterator<Item = &str> {
        let value = self.keys.get(key).copied().unwrap_or_default();
        value.split([',', ';', ' ', '\t']).filter(|word| !word.is_empty())
    }

    /// Returns its folder on the node. The storages that Proxmox VE mounts have a default one.
    fn path(&self) -> Option<String> {
        let default = match self.kind {
            _ if self.name == "local" => Some(STANDARD.to_owned()),
            kind if MOUNTED.contains(&kind) => Some(format!("/mnt/pve/{}", self.name)),
            _ => None,
        };
        self.keys.get("path").map(|path| (*path).to_owned()).or(default)
    }

    /// Returns the mount point without which the folder would be on the root file system.
    fn mount_point(&self, path: &str) -> Option<String> {
        match self.keys.get("is_mountpoint") {
            _ if MOUNTED.contains(&self.kind) => Some(path.to_owned()),
            None => None,
            Some(value) if is_false(value) => None,
            Some(value) if value.starts_with('/') => Some((*value).to_owned()),
            Some(_) => Some(path.to_owned()),
        }
    }

    /// Returns the storage if this host may keep such files in it now.
    fn fits(&self, here: &Here<'_>, purpose: Purpose) -> Option<FileStorage> {
        let (content, folder) = purpose.names();
        let is_off = self.keys.get("disable").is_some_and(|value| !is_false(value));
        let is_here = self.name == "local"
            || !self.keys.contains_key("nodes")
            || self.list("nodes").any(|node| node == here.host);
        let is_name = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let fits = !is_off && is_here && self.list("content").any(|it| it == content);
        if !fits || self.name.is_empty() || !self.name.chars().all(is_name) {
            return None;
        }
        let path = self.path()?;
        let mount_point = self.mount_point(&path);
        if mount_point.is_some_and(|it| !here.mounts.contains(it.trim_end_matches('/'))) {
            return None;
        }
        let mut others = self.list("content-dirs").filter_map(|pair| pair.split_once('='));
        let other = others.find_map(|(of, folder)| (of == content).then_some(folder));
        let folder = other.unwrap_or(folder).trim_matches('/');
        let folder = HostPath::new(format!("{}/{folder}", path.trim_end_matches('/'))).ok()?;
        Some(FileStorage { name: self.name.to_owned(), folder })
    }
}

/// Parses a boolean of Proxmox VE. A key without a value is true.
fn is_false(value: &str) -> bool {
    ["0", "no", "off", "false"].iter().any(|it| value.eq_ignore_ascii_case(it))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(list: &str) -> Option<String> {
        let mounts = ["/", "/mnt/pve/share", "/srv/big"].into();
        FileStorage::in_list(list, &Here { host: "pve1", mounts }, Purpose::Images)
            .map(|it| format!("{} {}", it.name, it.folder))
    }

    const LOCAL: &str = "dir: local\n\tpath /var/lib/vz\n\tcontent iso,vztmpl,backup\n\n";
    const BIG: &str = "dir: big\n\tpath /srv/big\n\tcontent images, iso\n";
    /// `local` without images, so that the others are looked at.
    const NONE: &str = "dir: local\n\tpath /var/lib/vz\n\tcontent backup\n\n";

    #[test]
    fn local_comes_first_and_then_what_comes_first() {
        let zfs = "zfspool: fast\n\tpool rpool/data\n\tcontent images,rootdir\n\n";
        let local = "local /var/lib/vz/template/iso";
        assert_eq!(found(&format!("{zfs}{BIG}{LOCAL}")).unwrap(), local);
        assert_eq!(found(&format!("{NONE}{BIG}")).unwrap(), "big /srv/big/template/iso");
        assert_eq!(found(&format!("# a comment\n{NONE}{zfs}")), None);
        // Proxmox VE adds `local` where the list has none, or none with its own folder.
        for list in ["", BIG, "btrfs: local\n\tpath /srv\n", "dir: local\n\tpath /srv\n\tdisable\n"]
        {
            assert_eq!(found(list).as_deref(), Some(local), "{list}");
        }
        let off = format!("{}\tnodes pve2\n", LOCAL.trim_end());
        assert_eq!(found(&format!("{off}\n")).as_deref(), Some(local), "it is on all nodes");
    }

    /// The list of a default installation on btrfs.
    #[test]
    fn a_disabled_storage_is_passed_over() {
        let list = "dir: local\n\tdisable\n\tpath /var/lib/vz\n\tcontent backup,vztmpl,iso\n\n\
            btrfs: local-btrfs\n\tpath /var/lib/pve/local-btrfs\n\
            \tcontent iso,vztmpl,images,rootdir,backup\n";
        let images = "local-btrfs /var/lib/pve/local-btrfs/template/iso";
        assert_eq!(found(list).as_deref(), Some(images));
        let here = Here { host: "pve1", mounts: BTreeSet::new() };
        let templates = FileStorage::in_list(list, &here, Purpose::Templates).unwrap();
        assert_eq!(templates.folder.to_string(), "/var/lib/pve/local-btrfs/template/cache");
        assert_eq!(found(&format!("{list}\tdisable 1\n")), None);
        assert_eq!(found(&format!("{list}\tdisable 0\n")).as_deref(), Some(images));
    }

    #[test]
    fn every_type_with_a_folder_is_known_and_local_ones_come_first() {
        let share = |kind: &str, more: &str| {
            format!("{NONE}{kind}: share\n\tserver 192.0.2.5\n\tcontent iso{more}\n")
        };
        for kind in ["nfs", "cifs", "cephfs", "glusterfs"] {
            let path = "share /mnt/pve/share/template/iso";
            assert_eq!(found(&share(kind, "")).as_deref(), Some(path), "{kind}");
            assert_eq!(found(&share(kind, "\n\tpath /mnt/pve/share")).as_deref(), Some(path));
            // It is not mounted, so a file would be hidden by the mount, or be on the root.
            assert_eq!(found(&share(kind, "\n\tpath /mnt/pve/other")), None, "{kind}");
            let both = format!("{}\n{BIG}", share(kind, ""));
            assert_eq!(found(&both).as_deref(), Some("big /srv/big/template/iso"), "{kind}");
        }
        for kind in ["pbs", "zfspool", "lvmthin", "rbd", "iscsi", "esxi"] {
            assert_eq!(found(&share(kind, "\n\tpath /mnt/pve/share")), None, "{kind}");
        }
    }

    #[test]
    fn what_is_not_surely_there_is_not_taken() {
        let usual = "big /srv/big/template/iso";
        for (line, takes) in [
            ("nodes pve1,pve2", Some(usual)),
            ("nodes pve2", None),
            ("nodes pve11", None),
            ("disable", None),
            ("is_mountpoint yes", Some(usual)),
            ("is_mountpoint 0", Some(usual)),
            ("is_mountpoint /srv/big", Some(usual)),
            ("is_mountpoint /srv", None),
            ("content-dirs vztmpl=a,iso=else/where", Some("big /srv/big/else/where")),
            ("content-dirs iso=../../etc", None),
            ("prune-backups keep-all=1", Some(usual)),
        ] {
            assert_eq!(found(&format!("{NONE}{BIG}\t{line}\n")).as_deref(), takes, "{line}");
        }
        let other = BIG.replace("/srv/big", "/srv/other");
        assert_eq!(found(&format!("{NONE}{other}\tis_mountpoint yes\n")), None);
        assert_eq!(found(&format!("{NONE}{}", BIG.replace("/srv/big", "srv/../big"))), None);
        assert_eq!(found(&format!("{NONE}{}", BIG.replace("dir: big", "dir: big big"))), None);
    }
}
