use std::collections::BTreeSet;

use vgpu_manifest::inventory::{Mark, Name, Package, PackageState, Want};

use super::deb822::{Stanza, stanzas};
use super::reader::Reader;
use crate::host::{HostError, Look};
use crate::state::fixed;

const STATUS: &str = "/var/lib/dpkg/status";
const EXTENDED_STATES: &str = "/var/lib/apt/extended_states";

/// The size limit for dpkg's status file: 64 MiB. A node with 2,000 packages has 3 MiB.
const MAX_STATUS: u64 = 64 << 20;

/// Returns the packages in dpkg's status, sorted, with their apt marks.
pub(super) fn packages(reader: &Reader<'_>) -> Vec<Package> {
    let text = |path| {
        let bytes = reader.large(path, MAX_STATUS).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let (packages, strange) = parse(&text(STATUS), &text(EXTENDED_STATES));
    if strange > 0 {
        reader.note(STATUS, &format!("{strange} stanzas do not describe a package"));
    }
    reader.short(STATUS, packages)
}

/// Returns the packages in dpkg's status.
///
/// # Errors
///
/// A file of dpkg or apt cannot be read.
pub(crate) fn installed(look: &dyn Look) -> Result<Vec<Package>, HostError> {
    let text = |path| -> Result<String, HostError> {
        let bytes = look.read_up_to(&fixed(path), MAX_STATUS)?.unwrap_or_default();
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    Ok(parse(&text(STATUS)?, &text(EXTENDED_STATES)?).0)
}

/// Returns the packages in dpkg's status, sorted, and the number of malformed stanzas.
pub(super) fn parse(status: &str, extended_states: &str) -> (Vec<Package>, usize) {
    let auto = auto_installed(extended_states);
    let mut packages = BTreeSet::new();
    let mut strange = 0;
    for stanza in stanzas(status) {
        match package(&stanza, &auto) {
            Some(Known::Here(package)) => _ = packages.insert(package),
            Some(Known::Gone) => {}
            None => strange += 1,
        }
    }
    (packages.into_iter().collect(), strange)
}

/// Returns the package that a stanza describes.
enum Known {
    Here(Package),
    Gone,
}

fn package(stanza: &Stanza<'_>, auto: &BTreeSet<(&str, &str)>) -> Option<Known> {
    let name = stanza.line("Package")?;
    let mut status = stanza.line("Status")?.split_whitespace();
    let want = want(status.next()?)?;
    let must_come_again = status.next()? == "reinstreq";
    let Some(state) = state(status.next()?)? else { return Some(Known::Gone) };
    // Until such a package is unpacked again, apt refuses all work, whatever its state is called.
    let state = if must_come_again { PackageState::HalfInstalled } else { state };
    let arch = stanza.line("Architecture")?;
    // apt records packages for all architectures under the native architecture.
    let is_auto = match arch {
        "all" => auto.range((name, "")..).next().is_some_and(|(other, _)| *other == name),
        arch => auto.contains(&(name, arch)),
    };
    Some(Known::Here(Package {
        name: name.parse().ok()?,
        arch: arch.parse::<Name>().ok()?,
        version: stanza.line("Version")?.parse().ok()?,
        want,
        state,
        mark: if is_auto { Mark::Auto } else { Mark::Manual },
    }))
}

fn want(word: &str) -> Option<Want> {
    Some(match word {
        "install" => Want::Install,
        "hold" => Want::Hold,
        "deinstall" => Want::Deinstall,
        "purge" => Want::Purge,
        "unknown" => Want::Unknown,
        _ => return None,
    })
}

/// Returns the state, or `Some(None)` for a package that is not present at all.
#[expect(clippy::option_option, reason = "not a state, and the state of being gone")]
fn state(word: &str) -> Option<Option<PackageState>> {
    Some(Some(match word {
        "not-installed" => return Some(None),
        "installed" => PackageState::Installed,
        "config-files" => PackageState::ConfigFiles,
        "half-installed" => PackageState::HalfInstalled,
        "unpacked" => PackageState::Unpacked,
        "half-configured" => PackageState::HalfConfigured,
        "triggers-awaited" => PackageState::TriggersAwaited,
        "triggers-pending" => PackageState::TriggersPending,
        _ => return None,
    }))
}

/// Returns name and architecture of the automatically installed packages.
fn auto_installed(extended_states: &str) -> BTreeSet<(&str, &str)> {
    let auto = stanzas(extended_states).filter(|one| one.line("Auto-Installed") == Some("1"));
    auto.filter_map(|one| Some((one.line("Package")?, one.line("Architecture")?))).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = "\
Package: dkms
Status: install ok installed
Priority: optional
Architecture: all
Version: 3.0.10-8+deb12u1
Conffiles:
 /etc/dkms/framework.conf 0123456789abcdef0123456789abcdef
Description: framework
 Package: not-a-field
 .

Package: gone
Status: deinstall ok not-installed
Architecture: all

Package: old-kernel
Status: deinstall ok config-files
Architecture: amd64
Version: 1

Package: held
Status: hold ok half-configured
Architecture: amd64
Version: 2:1.0~rc1-1

Package: Broken
Status: install ok installed
Architecture: all
Version: 1
";

    #[test]
    fn states_wants_and_marks_are_read() {
        let states = "Package: dkms\nArchitecture: amd64\nAuto-Installed: 1\n\nPackage: held\nArchitecture: i386\nAuto-Installed: 1\n";
        let (packages, strange) = parse(TEXT, states);
        let names: Vec<_> = packages.iter().map(|package| package.name.as_str()).collect();
        assert_eq!((names.as_slice(), strange), (["dkms", "held", "old-kernel"].as_slice(), 1));
        assert_eq!((packages[0].mark, packages[1].mark), (Mark::Auto, Mark::Manual));
        assert_eq!(
            (packages[1].want, packages[1].state),
            (Want::Hold, PackageState::HalfConfigured)
        );
        assert_eq!(packages[2].state, PackageState::ConfigFiles);
        assert_eq!(packages[0].version.as_str(), "3.0.10-8+deb12u1");
    }

    proptest! {
        #[test]
        fn no_status_makes_it_panic(at in 0..TEXT.len(), junk in "\\PC{0,20}", more in any::<String>()) {
            let mut text = TEXT.to_owned();
            text.insert_str(at, &junk);
            parse(&text, &more);
            parse(&more, &text);
        }
    }
}
