use std::collections::BTreeMap;

use vgpu_manifest::HostPath;

use crate::host::{HostError, Look};
use crate::state::fixed;

/// Where this host keeps images of CDs, so that they can be attached to a VM; or archives of containers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IsoStorage {
    /// What Proxmox VE calls it.
    pub name: String,
    /// The folder of these files.
    pub folder: HostPath,
}

/// What a host has that nobody has configured.
impl Default for IsoStorage {
    fn default() -> Self {
        Self { name: "local".to_owned(), folder: fixed("/var/lib/vz/template/iso") }
    }
}

/// Where Proxmox VE has its list of storages.
const LIST: &str = "/etc/pve/storage.cfg";

impl IsoStorage {
    /// That of this host: `local` if images may lie there, else the first folder where they may.
    pub fn of(look: &dyn Look) -> Result<Self, HostError> {
        Ok(Self::found(look, Purpose::Images)?.unwrap_or_default())
    }

    /// The same for archives that containers are made from; `None` if no folder is for them.
    pub fn for_templates(look: &dyn Look) -> Result<Option<Self>, HostError> {
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

/// What a storage is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// Images of CDs.
    Images,
    /// Archives that containers are made from.
    Templates,
}

impl Purpose {
    /// What Proxmox VE calls it, and the folder for it below a storage's own.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Images => ("iso", "template/iso"),
            Self::Templates => ("vztmpl", "template/cache"),
        }
    }
}

/// A storage, as the list has it: `dir: local`, and below it indented lines `key value`.
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
    /// The storage, if such files may lie in it on this host, and nothing has to be mounted first.
    fn fits(&self, host: &str, purpose: Purpose) -> Option<IsoStorage> {
        let (content, folder) = purpose.words();
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
        Some(IsoStorage { name: self.name.to_owned(), folder })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(list: &str) -> Option<String> {
        IsoStorage::in_list(list, "pve1", Purpose::Images)
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
        assert_eq!(IsoStorage::default().folder.to_string(), "/var/lib/vz/template/iso");
    }

    #[test]
    fn archives_of_containers_lie_beside() {
        let found = |list| IsoStorage::in_list(list, "pve1", Purpose::Templates);
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
