//! The mirrors of known archives: those of a node, and those of this machine.
//!
//! Only addresses are taken. The pinned keys decide whether an archive is trusted, so a wrong mirror
//! can only lack packages or have old ones.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use vgpu_manifest::inventory::{AptSource, AptUri, Inventory, Name, SourceKind, SourceState};
use vgpu_manifest::platform::PveSeries;

use super::Preset;
use crate::types::Address;

/// The archives of a node.
#[derive(Debug, Default)]
pub(crate) struct NodeMirrors {
    /// The mirrors of known archives for its release.
    pub(crate) taken: BTreeMap<Preset, Vec<Address>>,
    /// The other sources, each with the reason.
    pub(crate) left_out: Vec<String>,
}

impl NodeMirrors {
    /// Sorts the sources of the node's apt.
    pub(crate) fn of(inventory: &Inventory) -> Self {
        let mut all = Self::default();
        let codename = inventory.os.codename.as_ref();
        for source in &inventory.apt_sources {
            for suite in &source.suites {
                match offered(source, suite, codename) {
                    Ok((preset, mirrors)) => {
                        for mirror in mirrors {
                            add(&mut all.taken, preset, mirror);
                        }
                    }
                    Err(why) => all.left_out.push(left_out(source, suite, why)),
                }
            }
        }
        all
    }
}

fn add(taken: &mut BTreeMap<Preset, Vec<Address>>, preset: Preset, mirror: Address) {
    let mirrors = taken.entry(preset).or_default();
    if !mirrors.contains(&mirror) {
        mirrors.push(mirror);
    }
}

fn offered(
    source: &AptSource,
    suite: &Name,
    codename: Option<&Name>,
) -> Result<(Preset, Vec<Address>), &'static str> {
    if source.state == SourceState::Disabled {
        return Err("it is disabled");
    }
    if !source.kinds.contains(&SourceKind::Deb) {
        return Err("it has source packages only");
    }
    let codename = codename.ok_or("the Debian release of the node is unknown")?.as_str();
    let rest = suite.as_str().strip_prefix(codename);
    let rest = rest.filter(|rest| rest.is_empty() || rest.starts_with(['-', '/']));
    let rest = rest.ok_or("it is not for the Debian release of the node")?;
    let found = source.components.iter().find_map(|it| Preset::of(rest, it.as_str()));
    let preset = found.ok_or("it is neither Debian main nor Proxmox VE")?;
    let mirrors: Vec<Address> = source.uris.iter().filter_map(address).collect();
    if mirrors.is_empty() {
        return Err("it is not on a web server");
    }
    Ok((preset, mirrors))
}

/// Returns the address of a web server; folders of the node do not exist on this machine.
fn address(uri: &AptUri) -> Option<Address> {
    let address: Address = uri.as_str().trim_end_matches('/').parse().ok()?;
    matches!(address, Address::Web(_)).then_some(address)
}

fn left_out(source: &AptSource, suite: &Name, why: &str) -> String {
    let uris: Vec<_> = source.uris.iter().map(AptUri::as_str).collect();
    let components: Vec<_> = source.components.iter().map(Name::as_str).collect();
    format!("{} {suite} {}: {why}", uris.join(" "), components.join(" "))
}

/// Returns the mirrors that this machine's own apt uses for an archive; none without apt.
///
/// The release of this machine may be another one: a mirror has all of them.
pub(crate) fn of_this_machine(preset: Preset) -> Vec<Address> {
    let mut apt = Command::new("apt-get");
    apt.args(["indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)"]);
    apt.arg("Created-By: Packages").env("LC_ALL", "C").stdin(Stdio::null());
    let listed = apt.output().ok().filter(|output| output.status.success());
    let listed = listed.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    of_targets(&listed.unwrap_or_default(), preset)
}

/// Parses lines of an address, a suite and a component.
fn of_targets(lines: &str, preset: Preset) -> Vec<Address> {
    let mut found = BTreeMap::new();
    for line in lines.lines() {
        let words: Vec<_> = line.split_ascii_whitespace().collect();
        let [uri, suite, component] = words[..] else { continue };
        let mut codenames = PveSeries::ALL.iter().map(|pve| pve.debian());
        let Some(rest) = codenames.find_map(|it| suite.strip_prefix(it)) else { continue };
        if Preset::of(rest, component) != Some(preset) {
            continue;
        }
        if let Ok(mirror) = uri.trim_end_matches('/').parse() {
            add(&mut found, preset, mirror);
        }
    }
    found.remove(&preset).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archives(sources: &str) -> NodeMirrors {
        let json = include_str!("../../../../tests/it/inventory/golden/tesla-t4.json");
        let mut inventory = Inventory::from_json(json.as_bytes()).unwrap();
        inventory.apt_sources = serde_json::from_str(sources).unwrap();
        NodeMirrors::of(&inventory)
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

    fn shown(mirrors: &[Address]) -> Vec<String> {
        mirrors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn mirrors_of_the_release_are_taken_by_archive() {
        let sources = [
            source(
                0,
                "enabled",
                "http://a.example/debian https://b.example/debian/",
                "bookworm bookworm-updates bookworm-security",
                "main contrib",
            ),
            source(1, "enabled", "https://c.example/pve", "bookworm", "pve-enterprise"),
            source(2, "enabled", "http://a.example/other", "bookworm", "main"),
        ];
        let found = archives(&format!("[{}]", sources.join(",")));
        let mirrors = ["http://a.example/debian", "https://b.example/debian"];
        let expected = [
            (Preset::Debian, [&mirrors[..], &["http://a.example/other"]].concat()),
            (Preset::DebianSecurity, mirrors.to_vec()),
            (Preset::PveEnterprise, vec!["https://c.example/pve"]),
        ];
        let taken: Vec<_> = found.taken.iter().map(|(it, mirrors)| (*it, shown(mirrors))).collect();
        let expected = expected.map(|(it, all)| (it, all.into_iter().map(str::to_owned).collect()));
        assert_eq!(taken, expected);
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
        assert_eq!(found.taken, BTreeMap::new());
        let reasons = [
            "http://a.example/ bookworm main: it is disabled",
            "http://a.example/ trixie main: it is not for the Debian release of the node",
            "http://a.example/ bookwormish main: it is not for the Debian release of the node",
            "https://docker.example/ bookworm stable: it is neither Debian main nor Proxmox VE",
            "cdrom:[Debian]/ file:/srv/debian bookworm main: it is not on a web server",
        ];
        assert_eq!(found.left_out, reasons);
    }

    #[test]
    fn this_machine_knows_mirrors_of_any_release() {
        let lines = "http://a.example/debian/ trixie main\nhttp://a.example/debian/ trixie-updates main\n\
                     http://a.example/debian-security/ trixie-security main\n\
                     https://docker.example/linux/debian bookworm stable\n\
                     http://archive.example/ubuntu noble main\nnonsense\n";
        assert_eq!(shown(&of_targets(lines, Preset::Debian)), ["http://a.example/debian"]);
        let security = of_targets(lines, Preset::DebianSecurity);
        assert_eq!(shown(&security), ["http://a.example/debian-security"]);
        assert_eq!(of_targets(lines, Preset::PveNoSubscription), []);
    }
}
