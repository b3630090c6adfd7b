//! The package archives of a node that are usable here: a pure function.
//!
//! Only the addresses are taken from a node. The author of the recipe decides which keys may sign.

use vgpu_manifest::inventory::{AptSource, AptUri, Inventory, Name, SourceKind, SourceState};
use vgpu_manifest::package::ArchiveName;

use super::ArchiveArg;
use crate::types::{Address, Suite};

/// The archives of a node.
#[derive(Debug, Default)]
pub(crate) struct Archives {
    /// Those with packages for its release.
    pub(crate) taken: Vec<ArchiveArg>,
    /// The others, each with the reason.
    pub(crate) left_out: Vec<String>,
}

impl Archives {
    /// Sorts the sources of the node's apt.
    pub(crate) fn of(inventory: &Inventory) -> Self {
        let mut archives = Self::default();
        let codename = inventory.os.codename.as_ref();
        for source in &inventory.apt_sources {
            for suite in &source.suites {
                match offered(source, suite, codename) {
                    Ok(archive) => archives.add(archive),
                    Err(why) => archives.left_out.push(left_out(source, suite, why)),
                }
            }
        }
        archives
    }

    /// Adds an archive under a unique name.
    fn add(&mut self, mut archive: ArchiveArg) {
        let same = |other: &ArchiveArg| {
            (&other.mirrors, &other.suite, &other.components)
                == (&archive.mirrors, &archive.suite, &archive.components)
        };
        if self.taken.iter().any(same) {
            return;
        }
        let wanted = archive.name.to_string();
        for number in 2.. {
            if self.taken.iter().all(|other| other.name != archive.name) {
                break;
            }
            let Ok(name) = format!("{wanted}-{number}").parse() else { return };
            archive.name = name;
        }
        self.taken.push(archive);
    }
}

fn offered(
    source: &AptSource,
    suite: &Name,
    codename: Option<&Name>,
) -> Result<ArchiveArg, &'static str> {
    if source.state == SourceState::Disabled {
        return Err("it is disabled");
    }
    if !source.kinds.contains(&SourceKind::Deb) {
        return Err("it has source packages only");
    }
    let codename = codename.ok_or("the Debian release of the node is unknown")?.as_str();
    let rest = suite.as_str().strip_prefix(codename);
    if !rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '/'])) {
        return Err("it is not for the Debian release of the node");
    }
    let components = source.components.iter().filter(|component| is_of_use(component));
    let components: Vec<Suite> = components.filter_map(|it| it.as_str().parse().ok()).collect();
    let Some(first) = components.first() else {
        return Err("it is neither Debian main nor Proxmox VE");
    };
    let suite: Suite = suite.as_str().parse().map_err(|_| "its suite is a path")?;
    let name = if is_proxmox(first) { first.as_str() } else { suite.as_str() };
    let name: ArchiveName =
        name.replace('/', "-").parse().map_err(|_| "its suite gives no valid archive name")?;
    let mirrors: Vec<Address> = source.uris.iter().filter_map(address).collect();
    if mirrors.is_empty() {
        return Err("it is not on a web server");
    }
    Ok(ArchiveArg { name, mirrors, suite, components })
}

/// Compilers, DKMS and kernels are in these components; contrib, non-free and third-party ones are
/// not needed.
fn is_of_use(component: &Name) -> bool {
    component.as_str() == "main" || component.as_str().starts_with("pve")
}

/// Returns whether this component is of Proxmox VE: `pve-no-subscription`.
pub(crate) fn is_proxmox(component: &Suite) -> bool {
    component.as_str().starts_with("pve")
}

/// Returns the address of a web server; folders of the node do not exist on this machine.
fn address(uri: &AptUri) -> Option<Address> {
    uri.as_str().parse().ok().filter(|address| matches!(address, Address::Web(_)))
}

fn left_out(source: &AptSource, suite: &Name, why: &str) -> String {
    let uris: Vec<_> = source.uris.iter().map(AptUri::as_str).collect();
    let components: Vec<_> = source.components.iter().map(Name::as_str).collect();
    format!("{} {suite} {}: {why}", uris.join(" "), components.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archives(sources: &str) -> Archives {
        let json = include_str!("../../../../tests/it/inventory/golden/tesla-t4.json");
        let mut inventory = Inventory::from_json(json.as_bytes()).unwrap();
        inventory.apt_sources = serde_json::from_str(sources).unwrap();
        Archives::of(&inventory)
    }

    fn source(index: u32, state: &str, uris: &str, suites: &str, components: &str) -> String {
        let list = |words: &str| {
            words.split(' ').map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(",")
        };
        format!(
            r#"{{"file": "/etc/apt/sources.list", "index": {index}, "state": "{state}", "kinds": ["deb"],
             "uris": [{}], "suites": [{}], "components": [{}], "signed-by": null}}"#,
            list(uris),
            list(suites),
            list(components)
        )
    }

    #[test]
    fn archives_of_the_release_are_taken_with_what_is_of_use() {
        let sources = [
            source(
                0,
                "enabled",
                "http://a.example/debian https://b.example/debian",
                "bookworm bookworm-security",
                "main contrib",
            ),
            source(1, "enabled", "https://c.example/pve", "bookworm", "pve-enterprise"),
            source(2, "enabled", "http://a.example/other", "bookworm", "main"),
            source(3, "enabled", "http://a.example/other", "bookworm", "main"),
        ];
        let found = archives(&format!("[{}]", sources.join(",")));
        let taken: Vec<_> = found.taken.iter().map(ToString::to_string).collect();
        assert_eq!(
            taken,
            [
                "bookworm=http://a.example/debian https://b.example/debian bookworm main",
                "bookworm-security=http://a.example/debian https://b.example/debian bookworm-security main",
                "pve-enterprise=https://c.example/pve bookworm pve-enterprise",
                "bookworm-2=http://a.example/other bookworm main",
            ]
        );
        assert_eq!(found.left_out, [""; 0]);
    }

    #[test]
    fn what_is_not_of_use_is_left_out_and_says_why() {
        let sources = [
            source(0, "disabled", "http://a.example/", "bookworm", "main"),
            source(1, "enabled", "http://a.example/", "trixie", "main"),
            source(2, "enabled", "http://a.example/", "bookwormish", "main"),
            source(3, "enabled", "https://docker.example/", "bookworm", "stable"),
            source(4, "enabled", "cdrom:[Debian]/ file:/srv/debian", "bookworm", "main"),
        ];
        let found = archives(&format!("[{}]", sources.join(",")));
        assert_eq!(found.taken, []);
        let reasons = [
            "http://a.example/ bookworm main: it is disabled",
            "http://a.example/ trixie main: it is not for the Debian release of the node",
            "http://a.example/ bookwormish main: it is not for the Debian release of the node",
            "https://docker.example/ bookworm stable: it is neither Debian main nor Proxmox VE",
            "cdrom:[Debian]/ file:/srv/debian bookworm main: it is not on a web server",
        ];
        assert_eq!(found.left_out, reasons);
    }
}
