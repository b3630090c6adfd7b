use vgpu_manifest::inventory::{Cpu, Label, Machine, Os, Package};
use vgpu_manifest::platform::{CpuVendor, PveRelease};

use super::reader::Reader;

const OS_RELEASE: &str = "/etc/os-release";
const DEBIAN_VERSION: &str = "/etc/debian_version";

/// Returns the installed operating system.
pub(super) fn os(reader: &Reader<'_>, packages: &[Package]) -> Os {
    let release = reader.text(OS_RELEASE).unwrap_or_default();
    let value = |key| reader.understood(OS_RELEASE, os_release(&release, key)?.parse());
    Os {
        id: value("ID"),
        codename: value("VERSION_CODENAME"),
        debian: reader.text(DEBIAN_VERSION).map(|text| Label::lossy(&text)),
        pve: pve(packages),
    }
}

/// Returns the value of a key in os-release, without quotes.
fn os_release<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))?;
    Some(value.trim().trim_matches(['"', '\'']))
}

/// Returns the release of Proxmox VE, from the version of its package: `8.4.1`, or `7.4-17` in
/// older releases.
fn pve(packages: &[Package]) -> Option<PveRelease> {
    let manager = packages.iter().find(|package| package.name.as_str() == "pve-manager")?;
    let mut numbers = manager.version.as_str().split(['.', '-', '~', '+']);
    let mut number = || numbers.next()?.parse().ok();
    Some(PveRelease::new(number()?, number()?))
}

/// Returns the processor, and whether the machine is virtual.
pub(super) fn cpu(reader: &Reader<'_>) -> Cpu {
    parse_cpu(&reader.text("/proc/cpuinfo").unwrap_or_default())
}

fn parse_cpu(cpuinfo: &str) -> Cpu {
    let value = |key: &str| {
        let fields = cpuinfo.lines().filter_map(|line| line.split_once(':'));
        fields.into_iter().find(|(name, _)| name.trim() == key).map(|(_, value)| value.trim())
    };
    let flags = value("flags").unwrap_or_default();
    let is_virtual = flags.split_whitespace().any(|flag| flag == "hypervisor");
    Cpu {
        vendor: CpuVendor::from_id(value("vendor_id").unwrap_or_default()),
        machine: if is_virtual { Machine::Virtual } else { Machine::Physical },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use vgpu_manifest::inventory::{Mark, PackageState, Want};

    use super::*;

    fn manager(version: &str) -> Option<PveRelease> {
        let (name, arch) = ("pve-manager".parse().unwrap(), "amd64".parse().unwrap());
        let version = version.parse().unwrap();
        let (want, state, mark) = (Want::Install, PackageState::Installed, Mark::Manual);
        pve(&[Package { name, arch, version, want, state, mark }])
    }

    #[test]
    fn the_release_is_in_the_version_of_the_manager() {
        assert_eq!(manager("8.4.1"), Some(PveRelease::new(8, 4)));
        assert_eq!(manager("7.4-17"), Some(PveRelease::new(7, 4)));
        assert_eq!(manager("9.0.0~11"), Some(PveRelease::new(9, 0)));
        assert_eq!(manager("8"), None);
        assert_eq!(pve(&[]), None);
    }

    #[test]
    fn quotes_around_a_value_do_not_count() {
        let text = "NAME=\"Debian\"\nVERSION_ID=\"12\"\nID=debian\n#ID=x\n";
        assert_eq!(os_release(text, "VERSION_ID"), Some("12"));
        assert_eq!(os_release(text, "ID"), Some("debian"));
        assert_eq!(os_release(text, "VERSION"), None);
    }

    #[test]
    fn a_virtual_machine_has_a_flag() {
        let text = "processor\t: 0\nvendor_id\t: GenuineIntel\nflags\t\t: fpu vmx hypervisor\n";
        assert_eq!(parse_cpu(text), Cpu { vendor: CpuVendor::Intel, machine: Machine::Virtual });
        assert_eq!(parse_cpu(""), Cpu { vendor: CpuVendor::Other, machine: Machine::Physical });
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            parse_cpu(&text);
            os_release(&text, "ID");
        }
    }
}
