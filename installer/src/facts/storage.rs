//! The storages of Proxmox VE that are plain folders of this node.

use std::collections::BTreeMap;

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

/// The storage for images that Proxmox VE has from the start.
impl Default for FileStorage {
    fn default() -> Self {
        Self { name: "local".to_owned(), folder: fixed("/var/lib/vz/template/iso") }
    }
}

/// Proxmox VE's list of storages.
const LIST: &str = "/etc/pve/storage.cfg";

impl FileStorage {
    /// Returns the storage for CD images: `local` if it may hold them, else the first that may.
    pub(crate) fn for_images(look: &dyn Look) -> Result<Self, HostError> {
        Ok(Self::found(look, Purpose::Images)?.unwrap_or_default())
    }

    /// Returns the storage for container templates, chosen likewise; `None` if none may hold them.
    pub(crate) fn for_templates(look: &dyn Look) -> Result<Option<Self>, HostError> {
        Self::found(look, Purpose::Templates)
    }

    fn found(look: &dyn Look, purpose: Purpose) -> Result<Option<Self>, HostError> {
        let list = look.text(&fixed(LIST))?.unwrap_or_default();
        let host = look.text(&fixed("/etc/hostname"))?.unwrap_or_default();
        Ok(Self::in_list(&list, host.trim(), purpose))
    }

    fn in_list(list: &str, host: &str, purpose: Purpose) -> Option<Self> {
        let fit = sections(list).into_iter().filter_map(|section| section.fits(host, purpose));
        let all: Vec<_> = fit.collect();
        all.iter().find(|it| it.name == "local").or(all.first()).cloned()
    }
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
    /// Returns the storage if this host may keep such files in it and need not mount it first.
    fn fits(&self, host: &str, purpose: Purpose) -> Option<FileStorage> {
        let (content, folder) = purpose.names();
        let has = |key: &str, word: &str| {
            self.keys.get(key).is_some_and(|it| it.split(',').any(|it| it.trim() == word))
        };
        let is_here = !self.keys.contains_key("nodes") || has("nodes", host);
        let is_elsewhere = ["disable", "is_mountpoint", "content-dirs"];
        let is_plain = !is_elsewhere.iter().any(|key| self.keys.contains_key(key));
        let is_name = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let fits = self.kind == "dir" && has("content", content) && is_here && is_plain;
        if !fits || self.name.is_empty() || !self.name.chars().all(is_name) {
            return None;
        }
        let folder = HostPath::new(format!("{}/{folder}", self.keys.get("path")?)).ok()?;
        Some(FileStorage { name: self.name.to_owned(), folder })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(list: &str) -> Option<String> {
        FileStorage::in_list(list, "pve1", Purpose::Images)
            .map(|it| format!("{} {}", it.name, it.folder))
    }

    const LOCAL: &str = "dir: local\n\tpath /var/lib/vz\n\tcontent iso,vztmpl,backup\n\n";
    const BIG: &str = "dir: big\n\tpath /srv/big\n\tcontent images, iso\n";

    #[test]
    fn local_comes_first_and_then_what_comes_first() {
        let zfs = "zfspool: fast\n\tpool rpool/data\n\tcontent images,rootdir\n\n";
        assert_eq!(found(&format!("{zfs}{BIG}{LOCAL}")).unwrap(), "local /var/lib/vz/template/iso");
        let without = LOCAL.replace("iso,", "");
        assert_eq!(found(&format!("{without}{BIG}")).unwrap(), "big /srv/big/template/iso");
        assert_eq!(found(&format!("# a comment\n{without}")), None);
        assert_eq!(found(""), None);
        assert_eq!(FileStorage::default().folder.to_string(), "/var/lib/vz/template/iso");
    }

    #[test]
    fn archives_of_containers_lie_beside() {
        let found = |list| FileStorage::in_list(list, "pve1", Purpose::Templates);
        let local = found(LOCAL).unwrap();
        assert_eq!(local.folder.to_string(), "/var/lib/vz/template/cache");
        assert_eq!(found(BIG), None);
    }

    #[test]
    fn what_is_not_surely_there_is_not_taken() {
        for (line, takes) in [
            ("nodes pve1,pve2", true),
            ("nodes pve2", false),
            ("disable", false),
            ("is_mountpoint yes", false),
            ("content-dirs iso=elsewhere", false),
            ("prune-backups keep-all=1", true),
        ] {
            assert_eq!(found(&format!("{BIG}\t{line}\n")).is_some(), takes, "{line}");
        }
        assert_eq!(found(&BIG.replace("dir:", "nfs:")), None);
        assert_eq!(found(&BIG.replace("/srv/big", "srv/../big")), None);
        assert_eq!(found(&BIG.replace("dir: big", "dir: big big")), None);
    }
}
