//! The network settings of a container: bridge, address, gateway.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use vgpu_manifest::HostPath;

use super::address::why_unreachable;
use crate::host::{HostError, Look};
use crate::state::{below_dir, fixed};

/// The folder of the node's network interfaces.
const NET: &str = "/sys/class/net";

/// The folder of the settings of this node's containers.
const CONTAINERS: &str = "/etc/pve/lxc";

/// An address with its prefix length: `192.0.2.30/24`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(into = "String", try_from = "String")]
pub(crate) struct Cidr {
    address: IpAddr,
    bits: u8,
}

/// The reason why a container cannot have an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum CidrError {
    #[error("`{}` is not an address with a prefix length, such as `192.0.2.30/24`", .0.escape_debug())]
    Syntax(String),
    /// The address belongs to no single host.
    #[error("`{}` is {why}, so no container can have it", .text.escape_debug())]
    NoHost { text: String, why: &'static str },
}

impl Cidr {
    #[must_use]
    pub(crate) fn address(self) -> IpAddr {
        self.address
    }

    /// Returns the first and the last address of its network, as numbers.
    fn ends(self) -> (u128, u128) {
        let (number, width) = number(self.address);
        let host = u128::MAX.checked_shr(u32::from(128 - width + self.bits)).unwrap_or(0);
        (number & !host, number | host)
    }

    /// Checks whether another address is in the same network.
    #[must_use]
    pub(crate) fn has(self, other: IpAddr) -> bool {
        let (first, last) = self.ends();
        let (other_number, _) = number(other);
        self.address.is_ipv4() == other.is_ipv4() && (first..=last).contains(&other_number)
    }

    /// Returns why no host can have this address, such as the network or broadcast address.
    fn why_no_host(self) -> Option<&'static str> {
        let (first, last) = self.ends();
        let (own, _) = number(self.address);
        let has_ends = self.address.is_ipv4() && self.bits < 31;
        why_unreachable(self.address).or(match own {
            _ if !has_ends => None,
            own if own == first => Some("the network address"),
            own if own == last => Some("the broadcast address"),
            _ => None,
        })
    }
}

/// Returns an address as a number, and its length in bits.
fn number(address: IpAddr) -> (u128, u8) {
    match address {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()), 32),
        IpAddr::V6(v6) => (v6.to_bits(), 128),
    }
}

impl FromStr for Cidr {
    type Err = CidrError;

    fn from_str(text: &str) -> Result<Self, CidrError> {
        let parse = || {
            let (address, bits) = text.split_once('/')?;
            let address: IpAddr = address.parse().ok()?;
            let bits: u8 = bits.parse().ok().filter(|_| !bits.starts_with(['0', '+']))?;
            (bits <= number(address).1).then_some(Self { address, bits })
        };
        let cidr = parse().ok_or_else(|| CidrError::Syntax(text.to_owned()))?;
        match cidr.why_no_host() {
            Some(why) => Err(CidrError::NoHost { text: text.to_owned(), why }),
            None => Ok(cidr),
        }
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

impl From<Cidr> for String {
    fn from(cidr: Cidr) -> Self {
        cidr.to_string()
    }
}

impl TryFrom<String> for Cidr {
    type Error = CidrError;

    fn try_from(text: String) -> Result<Self, CidrError> {
        text.parse()
    }
}

/// The name of a network interface: 1 to 15 letters, digits, `-`, `_` or `.`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(into = "String", try_from = "String")]
pub(crate) struct Bridge(String);

impl FromStr for Bridge {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        let fits = (1..=15).contains(&text.len()) && text.bytes().all(is_plain);
        if fits && !text.starts_with(['.', '-']) {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!("`{}` is not a bridge name, such as `vmbr0`", text.escape_debug()))
        }
    }
}

impl fmt::Display for Bridge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Bridge> for String {
    fn from(bridge: Bridge) -> Self {
        bridge.0
    }
}

impl TryFrom<String> for Bridge {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl Bridge {
    /// Checks whether the node has it.
    pub(super) fn is_here(&self, look: &dyn Look) -> Result<bool, HostError> {
        Ok(look.stat(&below_dir(&fixed(NET), &self.0))?.is_some())
    }

    /// Returns the bridges for guests, by Proxmox VE's naming scheme: `vmbr0` and so on.
    pub(super) fn all(look: &dyn Look) -> Result<Vec<Self>, HostError> {
        let names = look.list(&fixed(NET))?.unwrap_or_default();
        let names =
            names.into_iter().filter(|name| name.starts_with("vmbr") && !name.contains('.'));
        Ok(names.filter_map(|name| name.parse().ok()).collect())
    }
}

/// A network interface of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Card {
    pub(crate) bridge: Bridge,
    pub(crate) cidr: Cidr,
    /// The gateway to other networks, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) gateway: Option<IpAddr>,
}

impl Card {
    /// Returns the value of `--net0` for `pct`. The node configures the interface, because the
    /// image has no DHCP client or network scripts.
    pub(super) fn words(&self) -> String {
        let Self { bridge, cidr, gateway } = self;
        let (ip, gw) = if cidr.address.is_ipv4() { ("ip", "gw") } else { ("ip6", "gw6") };
        let gateway = gateway.map(|gateway| format!(",{gw}={gateway}")).unwrap_or_default();
        format!("name=eth0,bridge={bridge},{ip}={cidr}{gateway},type=veth,host-managed=1")
    }

    /// Returns the wildcard address, to listen at all addresses of the container.
    pub(super) fn everywhere(&self) -> IpAddr {
        match self.cidr.address {
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        }
    }
}

/// Returns the settings file of a container of this node.
pub(super) fn settings(vmid: impl fmt::Display) -> HostPath {
    fixed(&format!("{CONTAINERS}/{vmid}.conf"))
}

/// The folders of the settings of all guests in the cluster: one folder for each node, and in it
/// one for each kind of guest, with what its settings begin with and messages call it.
const NODES: &str = "/etc/pve/nodes";
const KINDS: [(&str, &str, &str); 2] =
    [("lxc", "net", "container"), ("qemu-server", "ipconfig", "VM")];

/// Returns the guest of the cluster, other than the container `own`, that has the address.
///
/// A VM has the addresses that cloud-init gives it; others are unknown to Proxmox VE.
pub(super) fn taken_by(
    look: &dyn Look,
    address: IpAddr,
    own: &str,
) -> Result<Option<String>, HostError> {
    for node in look.list(&fixed(NODES))?.unwrap_or_default() {
        for (folder, key, kind) in KINDS {
            let folder = below_dir(&fixed(NODES), &format!("{node}/{folder}"));
            for name in look.list(&folder)?.unwrap_or_default() {
                let vmid = name.strip_suffix(".conf").filter(|vmid| *vmid != own);
                let Some(vmid) = vmid else { continue };
                let text = look.text(&below_dir(&folder, &name))?.unwrap_or_default();
                if has_address(&text, key, address) {
                    return Ok(Some(format!("{kind} {vmid} on {node}")));
                }
            }
        }
    }
    Ok(None)
}

/// Checks whether the current settings of a guest have the address. Sections below them, `[NAME]` of
/// a snapshot and `[pve:pending]`, are not current (pve-guest-common 6.0.2, `AbstractConfig.pm`;
/// qemu-server 9.2.6, `parse_vm_config`).
fn has_address(text: &str, key: &str, address: IpAddr) -> bool {
    let has = |word: &str| {
        let value = word.strip_prefix("ip=").or_else(|| word.strip_prefix("ip6="));
        let host = value.and_then(|value| value.split('/').next());
        host.and_then(|host| host.parse().ok()) == Some(address)
    };
    let is_number = |rest: &str| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit());
    let current = text.lines().take_while(|line| !line.starts_with('['));
    let settings = current.filter_map(|line| line.split_once(':'));
    let mut cards = settings.filter(|(it, _)| it.strip_prefix(key).is_some_and(is_number));
    cards.any(|(_, value)| value.split([',', ' ']).any(has))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::host::testing::MemHost;

    #[test]
    fn an_address_of_a_container_is_one_of_a_single_machine() {
        for text in ["192.0.2.30/24", "192.0.2.0/31", "192.0.2.1/32", "2001:db8::30/64"] {
            assert_eq!(text.parse::<Cidr>().unwrap().to_string(), text);
        }
        for (text, why) in [
            ("192.0.2.30", "not an address with"),
            ("192.0.2.30/33", "not an address with"),
            ("192.0.2.30/024", "not an address with"),
            ("192.0.2.30/0", "not an address with"),
            ("dls.example/24", "not an address with"),
            ("2001:db8::30/129", "not an address with"),
            ("192.0.2.0/24", "the network address"),
            ("192.0.2.255/24", "the broadcast address"),
            ("127.0.0.1/8", "a loopback address"),
            ("fe80::1/64", "not the address of one host"),
        ] {
            let error = text.parse::<Cidr>().unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn a_network_has_what_begins_alike() {
        let has =
            |cidr: &str, other: &str| cidr.parse::<Cidr>().unwrap().has(other.parse().unwrap());
        assert!(has("192.0.2.30/24", "192.0.2.1") && !has("192.0.2.30/24", "192.0.3.1"));
        assert!(has("192.0.2.30/25", "192.0.2.127") && !has("192.0.2.30/25", "192.0.2.128"));
        assert!(has("2001:db8::30/64", "2001:db8::1") && !has("2001:db8::30/64", "2001:db8:1::1"));
        assert!(!has("192.0.2.30/24", "2001:db8::1"));
        assert!(has("192.0.2.30/32", "192.0.2.30") && !has("192.0.2.30/32", "192.0.2.31"));
    }

    #[test]
    fn a_network_card_is_written_as_pct_takes_it() {
        let card = |cidr: &str, gateway: Option<&str>| Card {
            bridge: "vmbr0".parse().unwrap(),
            cidr: cidr.parse().unwrap(),
            gateway: gateway.map(|it| it.parse().unwrap()),
        };
        let v4 = card("192.0.2.30/24", Some("192.0.2.1"));
        let words = "name=eth0,bridge=vmbr0,ip=192.0.2.30/24,gw=192.0.2.1,type=veth,host-managed=1";
        assert_eq!(v4.words(), words);
        let v6 = card("2001:db8::30/64", None);
        let words = "name=eth0,bridge=vmbr0,ip6=2001:db8::30/64,type=veth,host-managed=1";
        assert_eq!(v6.words(), words);
        assert_eq!([v4, v6].map(|card| card.everywhere().to_string()), ["0.0.0.0", "::"]);
    }

    #[test]
    fn who_has_an_address_is_known_from_the_settings_of_all_guests() {
        let container = "#ip=192.0.2.50/24\nhostname: a\n\
            net0: name=eth0,bridge=vmbr0,ip=192.0.2.30/24,ip6=2001:db8::30/64,type=veth\n\n\
            [before]\nnet0: name=eth0,bridge=vmbr0,ip=192.0.2.40/24,type=veth\n";
        let vm = "name: b\nipconfig1: gw=192.0.2.1,ip=192.0.2.31/24\nnet0: virtio=0,bridge=vmbr0\n\
            ipconfig: ip=192.0.2.51/24\n[pve:pending]\nipconfig0: ip=192.0.2.41/24\n";
        let host = MemHost::with_files(&[
            ("/etc/pve/nodes/pve1/lxc/105.conf", container),
            ("/etc/pve/nodes/pve1/lxc/105.conf.tmp.1", "net0: ip=192.0.2.60/24\n"),
            ("/etc/pve/nodes/pve2/qemu-server/200.conf", vm),
            ("/etc/pve/nodes/pve2/lxc/201.conf", "net0: ip=dhcp\nnet10: ip=192.0.2.32/24\n"),
        ]);
        let by = |address: &str, own: &str| taken_by(&host, address.parse().unwrap(), own).unwrap();
        assert_eq!(by("192.0.2.30", "200").as_deref(), Some("container 105 on pve1"));
        assert_eq!(by("2001:db8:0::30", "200").as_deref(), Some("container 105 on pve1"));
        assert_eq!(by("192.0.2.30", "105"), None);
        assert_eq!(by("192.0.2.31", "105").as_deref(), Some("VM 200 on pve2"));
        assert_eq!(by("192.0.2.32", "105").as_deref(), Some("container 201 on pve2"));
        // Neither a part of an address, a gateway, a snapshot, a pending change nor a comment.
        for free in ["3", "1", "40", "41", "50", "51", "60"] {
            assert_eq!(by(&format!("192.0.2.{free}"), "200"), None, "{free}");
        }
        assert_eq!(taken_by(&MemHost::default(), "192.0.2.3".parse().unwrap(), "1").unwrap(), None);
    }

    #[test]
    fn bridges_are_those_for_guests() {
        let names = ["vmbr0", "vmbr1", "vmbr0.7", "eno1", "fwbr100i0", "docker0"];
        let files = names.map(|name| format!("/sys/class/net/{name}/address"));
        let files: Vec<_> = files.iter().map(|path| (path.as_str(), "")).collect();
        let host = MemHost::with_files(&files);
        let all: Vec<_> = Bridge::all(&host).unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(all, ["vmbr0", "vmbr1"]);
        for bad in ["", "a/b", "..", "-x", "vmbr0,ip=1", "a-name-that-is-too-long"] {
            assert!(bad.parse::<Bridge>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>(), bits in any::<u8>()) {
            let _ = text.parse::<Cidr>();
            let _ = format!("2001:db8::1/{bits}").parse::<Cidr>();
            let _ = format!("192.0.2.1/{bits}").parse::<Cidr>();
            has_address(&text, "net", IpAddr::V4(Ipv4Addr::LOCALHOST));
        }
    }
}
