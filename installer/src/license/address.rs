//! The address that guests use to reach the license server.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::host::{HostError, Look};
use crate::state::fixed;

/// The address of a host as guests use it: `192.0.2.10` or `dls.example`. Loopback is refused: it
/// is the guest itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(into = "String", try_from = "String")]
pub(crate) enum GuestHost {
    Address(IpAddr),
    Name(HostName),
}

/// A DNS host name in lower case, at most 253 bytes long.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct HostName(String);

impl HostName {
    #[must_use]
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The reason why an address is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum AddressError {
    #[error("`{}` is neither an IP address nor a host name", .0.escape_debug())]
    Syntax(String),
    /// The address is the guest's own, or no host has it.
    #[error(
        "`{}` is {why}, so guests cannot reach the node by it; pass an address or name that they can reach (`ip -brief address` lists the node's addresses)", .host.escape_debug()
    )]
    Unreachable { host: String, why: &'static str },
    #[error("this node does not have the address {address}; it has {}", list(.has))]
    NotHere { address: IpAddr, has: Vec<IpAddr> },
    /// The name resolves to no address of the node.
    #[error(
        "`{name}` has no address of this node in /etc/hosts; pass `--listen ADDRESS`; this node has {}", list(.has)
    )]
    Nowhere { name: HostName, has: Vec<IpAddr> },
}

fn list(addresses: &[IpAddr]) -> String {
    if addresses.is_empty() {
        return "none".to_owned();
    }
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl FromStr for GuestHost {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return match why_unreachable(address) {
                Some(why) => Err(AddressError::Unreachable { host: text.to_owned(), why }),
                None => Ok(Self::Address(address)),
            };
        }
        let name: HostName = text.parse()?;
        if name.0 == "localhost" || name.0.ends_with(".localhost") {
            let why = "a loopback name";
            return Err(AddressError::Unreachable { host: name.0, why });
        }
        Ok(Self::Name(name))
    }
}

/// Returns why guests cannot reach this address. Debian resolves a host's own name to 127.0.1.1.
pub(super) fn why_unreachable(address: IpAddr) -> Option<&'static str> {
    let link_local = match address {
        IpAddr::V4(v4) => v4.is_link_local() || v4.is_broadcast(),
        IpAddr::V6(v6) => v6.is_unicast_link_local() || v6.to_ipv4_mapped().is_some(),
    };
    if address.is_loopback() {
        Some("a loopback address")
    } else if address.is_unspecified() {
        Some("the unspecified address")
    } else if address.is_multicast() || link_local {
        Some("not the address of one host in the network")
    } else {
        None
    }
}

impl FromStr for HostName {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let inner = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(inner)
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        // A name of only digits and dots is a mistyped IP address.
        let is_name = text.len() <= 253
            && text.split('.').all(label)
            && text.bytes().any(|b| b.is_ascii_alphabetic());
        if is_name {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(AddressError::Syntax(text.to_owned()))
        }
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for GuestHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}

impl From<GuestHost> for String {
    fn from(host: GuestHost) -> Self {
        host.to_string()
    }
}

impl TryFrom<String> for GuestHost {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, AddressError> {
        text.parse()
    }
}

impl GuestHost {
    /// Returns the host as URLs spell it: an IPv6 address is in brackets.
    #[must_use]
    pub(crate) fn in_url(&self) -> String {
        match self {
            Self::Address(IpAddr::V6(address)) => format!("[{address}]"),
            other => other.to_string(),
        }
    }

    /// Returns the address of the node where a service for these guests listens.
    pub(crate) fn listen(
        &self,
        asked: Option<IpAddr>,
        node: &NodeNames,
    ) -> Result<IpAddr, AddressError> {
        let has = || node.addresses.clone();
        let here = |address: IpAddr| {
            let known = node.addresses.contains(&address);
            if known { Ok(address) } else { Err(AddressError::NotHere { address, has: has() }) }
        };
        match (asked, self) {
            (Some(address), _) => here(address),
            (None, Self::Address(address)) => here(*address),
            (None, Self::Name(name)) => {
                let known = node.hosts.iter().filter(|(_, names)| names.contains(name));
                let mut own =
                    known.map(|(address, _)| *address).filter(|a| node.addresses.contains(a));
                own.next().ok_or_else(|| AddressError::Nowhere { name: name.clone(), has: has() })
            }
        }
    }
}

/// The addresses and names of the node, from its own files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct NodeNames {
    /// Its network addresses.
    pub(crate) addresses: Vec<IpAddr>,
    /// The entries of `/etc/hosts`.
    pub(crate) hosts: Vec<(IpAddr, Vec<HostName>)>,
    /// Its host name.
    pub(crate) name: Option<HostName>,
}

impl NodeNames {
    /// Reads them from the node.
    pub(crate) fn look(look: &dyn Look) -> Result<Self, HostError> {
        let text = |path| Ok::<_, HostError>(look.text(&fixed(path))?.unwrap_or_default());
        let mut addresses = local_v4(&text("/proc/net/fib_trie")?);
        addresses.extend(local_v6(&text("/proc/net/if_inet6")?));
        addresses.retain(|address| why_unreachable(*address).is_none());
        addresses.sort();
        addresses.dedup();
        let name = text("/etc/hostname")?.parse().ok();
        Ok(Self { addresses, hosts: hosts(&text("/etc/hosts")?), name })
    }

    /// Returns all names for a certificate: `host` first, then those of the node.
    #[must_use]
    pub(crate) fn for_certificate(&self, host: &GuestHost) -> Vec<GuestHost> {
        let mut all = vec![host.clone()];
        let own = |address| self.addresses.contains(address);
        let known = self.hosts.iter().filter(|(address, _)| own(address));
        let names = self.name.iter().chain(known.flat_map(|(_, names)| names));
        all.extend(names.cloned().map(GuestHost::Name));
        all.extend(self.addresses.iter().copied().map(GuestHost::Address));
        let mut seen = std::collections::BTreeSet::new();
        all.retain(|host| seen.insert(host.clone()));
        all
    }
}

/// Returns the local addresses in `/proc/net/fib_trie`: a line with the address, followed by `/32
/// host LOCAL`.
fn local_v4(text: &str) -> Vec<IpAddr> {
    let mut last: Option<Ipv4Addr> = None;
    let mut found = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(address) = line.strip_prefix("|-- ") {
            last = address.parse().ok();
        } else if line.starts_with("/32 host LOCAL") {
            found.extend(last.map(IpAddr::V4));
        }
    }
    found
}

/// Returns the addresses in `/proc/net/if_inet6`: 32 hexadecimal digits at the start of each line.
fn local_v6(text: &str) -> Vec<IpAddr> {
    let address = |line: &str| {
        let digits = line.split_whitespace().next()?;
        let number = (digits.len() == 32).then(|| u128::from_str_radix(digits, 16).ok())??;
        Some(IpAddr::V6(Ipv6Addr::from(number)))
    };
    text.lines().filter_map(address).collect()
}

fn hosts(text: &str) -> Vec<(IpAddr, Vec<HostName>)> {
    let line = |line: &str| {
        let mut words = line.split('#').next()?.split_whitespace();
        let address = words.next()?.parse().ok()?;
        Some((address, words.filter_map(|name| name.parse().ok()).collect()))
    };
    text.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::host::testing::MemHost;

    const TRIE: &str = "Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 127.0.0.0/8 2 0 2
        |-- 127.0.0.1
           /32 host LOCAL
     +-- 192.0.2.0/24 2 0 2
        |-- 192.0.2.0
           /24 link UNICAST
        |-- 192.0.2.10
           /32 host LOCAL
        |-- 192.0.2.255
           /32 link BROADCAST
Local:
        |-- 192.0.2.10
           /32 host LOCAL
";
    const V6: &str = "00000000000000000000000000000001 01 80 10 80       lo
fe800000000000000000000000000001 02 40 20 80     eno1
20010db8000000000000000000000010 02 40 00 80     eno1
";
    const HOSTS: &str = "127.0.0.1 localhost
127.0.1.1 node.example node # as Debian does
192.0.2.10 pve1.example pve1 dls.example
192.0.2.77 other.example
";

    fn node() -> NodeNames {
        let host = MemHost::with_files(&[
            ("/proc/net/fib_trie", TRIE),
            ("/proc/net/if_inet6", V6),
            ("/etc/hosts", HOSTS),
            ("/etc/hostname", "PVE1\n"),
        ]);
        NodeNames::look(&host).unwrap()
    }

    fn host(text: &str) -> GuestHost {
        text.parse().unwrap()
    }

    #[test]
    fn what_means_the_guest_itself_is_refused() {
        for text in [
            "127.0.1.1",
            "127.0.0.1",
            "::1",
            "0.0.0.0",
            "::",
            "localhost",
            "a.localhost",
            "169.254.1.1",
            "fe80::1",
            "224.0.0.1",
            "255.255.255.255",
            "::ffff:127.0.0.1",
        ] {
            let error = text.parse::<GuestHost>().unwrap_err().to_string();
            assert!(error.contains("guests cannot reach the node by it"), "{text}: {error}");
        }
        for text in ["", "300.1.1.1", "a b", "-a", "a-", "a..b", "a_b", "1.2.3", "\u{1b}[2J", "ä"]
        {
            let error = text.parse::<GuestHost>().unwrap_err().to_string();
            assert!(error.contains("neither an IP address nor a host name"), "{text}: {error}");
        }
    }

    #[test]
    fn a_service_listens_at_one_address_of_the_node() {
        let node = node();
        let listen = |text: &str, asked: Option<&str>| {
            let asked = asked.map(|text| text.parse().unwrap());
            host(text).listen(asked, &node).map(|a| a.to_string()).map_err(|e| e.to_string())
        };
        assert_eq!(listen("192.0.2.10", None).unwrap(), "192.0.2.10");
        assert_eq!(listen("2001:db8::10", None).unwrap(), "2001:db8::10");
        assert_eq!(listen("dls.example", None).unwrap(), "192.0.2.10");
        assert_eq!(listen("elsewhere.example", Some("192.0.2.10")).unwrap(), "192.0.2.10");
        let error = listen("192.0.2.11", None).unwrap_err();
        assert!(
            error.contains("does not have the address 192.0.2.11; it has 192.0.2.10"),
            "{error}"
        );
        // Debian's own entry, 127.0.1.1, is the same on every host.
        for name in ["node.example", "other.example", "elsewhere.example"] {
            let error = listen(name, None).unwrap_err();
            assert!(error.contains("--listen ADDRESS"), "{error}");
        }
    }

    #[test]
    fn a_certificate_holds_for_all_names_of_the_node() {
        let names = node().for_certificate(&host("dls.example"));
        let names: Vec<_> = names.iter().map(ToString::to_string).collect();
        let all = ["dls.example", "pve1", "pve1.example", "192.0.2.10", "2001:db8::10"];
        assert_eq!(names, all);
    }

    #[test]
    fn addresses_have_one_spelling() {
        assert_eq!(host("2001:DB8:0::10").in_url(), "[2001:db8::10]");
        assert_eq!(host("DLS.Example").in_url(), "dls.example");
        let json = serde_json::to_string(&host("192.0.2.10")).unwrap();
        assert_eq!(json, "\"192.0.2.10\"");
        assert_eq!(serde_json::from_str::<GuestHost>(&json).unwrap(), host("192.0.2.10"));
        assert!(serde_json::from_str::<GuestHost>("\"::1\"").is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            let _ = text.parse::<GuestHost>();
            local_v4(&text);
            local_v6(&text);
            hosts(&text);
        }
    }
}
