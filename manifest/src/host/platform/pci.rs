use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{ParseTextError, serde_as_text};

/// The PCI id of a device: vendor and device, `10de:1eb8`, optionally with the subsystem of the
/// board, `10de:1eb8/10de:12a2`. Four lower-case hex digits each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(extend("pattern" = "^[0-9a-f]{4}:[0-9a-f]{4}(/[0-9a-f]{4}:[0-9a-f]{4})?$"))
)]
pub struct PciId {
    vendor: u16,
    device: u16,
    subsystem: Option<(u16, u16)>,
}

/// The PCI address of a device: domain, bus, device and function, `0000:81:00.0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(extend("pattern" = r"^[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$"))
)]
pub struct PciAddress {
    domain: u32,
    bus: u8,
    device: u8,
    function: u8,
}

impl PciId {
    /// NVIDIA's vendor id.
    pub const NVIDIA: u16 = 0x10de;

    /// Returns the id without a subsystem.
    #[must_use]
    pub const fn new(vendor: u16, device: u16) -> Self {
        Self { vendor, device, subsystem: None }
    }

    /// Returns the id with this subsystem.
    #[must_use]
    pub const fn with_subsystem(self, vendor: u16, device: u16) -> Self {
        Self { subsystem: Some((vendor, device)), ..self }
    }

    /// Returns the id without its subsystem.
    #[must_use]
    pub const fn without_subsystem(self) -> Self {
        Self { subsystem: None, ..self }
    }

    /// Returns the vendor id.
    #[must_use]
    pub const fn vendor(self) -> u16 {
        self.vendor
    }

    /// Returns the device id.
    #[must_use]
    pub const fn device(self) -> u16 {
        self.device
    }

    /// Returns vendor and device id of the board, if present.
    #[must_use]
    pub const fn subsystem(self) -> Option<(u16, u16)> {
        self.subsystem
    }

    /// Checks whether `other` is the same device, on the same board if this id has a subsystem.
    #[must_use]
    pub fn covers(self, other: Self) -> bool {
        let other = if self.subsystem.is_some() { other } else { other.without_subsystem() };
        self == other
    }
}

impl PciAddress {
    /// Returns the PCI domain, 0 on most machines.
    #[must_use]
    pub const fn domain(self) -> u32 {
        self.domain
    }

    /// Returns the bus.
    #[must_use]
    pub const fn bus(self) -> u8 {
        self.bus
    }

    /// Returns the device on the bus (the slot), 0 to 31.
    #[must_use]
    pub const fn device(self) -> u8 {
        self.device
    }

    /// Returns the function of the device, 0 to 7.
    #[must_use]
    pub const fn function(self) -> u8 {
        self.function
    }
}

impl FromStr for PciId {
    type Err = ParseTextError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed = match text.split_once('/') {
            None => pair(text).map(|(vendor, device)| Self::new(vendor, device)),
            Some((id, board)) => pair(id).zip(pair(board)).map(|((vendor, device), board)| {
                Self::new(vendor, device).with_subsystem(board.0, board.1)
            }),
        };
        parsed.ok_or_else(|| {
            let rule = "`10de:1eb8` or, with its subsystem, `10de:1eb8/10de:12a2`";
            ParseTextError::new(text, "a PCI id", rule)
        })
    }
}

fn pair(text: &str) -> Option<(u16, u16)> {
    let (vendor, device) = text.split_once(':')?;
    Some((hex(vendor, 4)?, hex(device, 4)?))
}

/// Parses exactly `digits` lower-case hex digits.
fn hex<N: TryFrom<u32>>(text: &str, digits: usize) -> Option<N> {
    let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    if text.len() != digits || !text.bytes().all(is_hex) {
        return None;
    }
    u32::from_str_radix(text, 16).ok().and_then(|number| N::try_from(number).ok())
}

impl FromStr for PciAddress {
    type Err = ParseTextError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        address(text).filter(|address| address.to_string() == text).ok_or_else(|| {
            let rule = "domain, bus, device and function: `0000:81:00.0`";
            ParseTextError::new(text, "a PCI address", rule)
        })
    }
}

fn address(text: &str) -> Option<PciAddress> {
    let (rest, function) = text.rsplit_once('.')?;
    let mut parts = rest.split(':');
    let domain = parts.next()?;
    // The kernel prints a domain with four digits, and with more only if necessary.
    let domain = hex(domain, domain.len().clamp(4, 8))?;
    let bus = hex(parts.next()?, 2)?;
    let device: u8 = hex(parts.next()?, 2)?;
    let function: u8 = hex(function, 1)?;
    let fits = parts.next().is_none() && device < 32 && function < 8;
    fits.then_some(PciAddress { domain, bus, device, function })
}

impl fmt::Display for PciId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}:{:04x}", self.vendor, self.device)?;
        match self.subsystem {
            Some((vendor, device)) => write!(f, "/{vendor:04x}:{device:04x}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for PciAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}:{:02x}:{:02x}.{:x}", self.domain, self.bus, self.device, self.function)
    }
}

serde_as_text!(PciId);
serde_as_text!(PciAddress);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_id_reads_back_as_it_was_written() {
        for good in ["10de:1eb8", "10de:1eb8/10de:12a2", "0000:ffff"] {
            assert_eq!(good.parse::<PciId>().unwrap().to_string(), good);
        }
        let bad = [
            "",
            "10de",
            "10DE:1eb8",
            "10de:1eb8/",
            "10de:1eb8/10de",
            "010de:1eb8",
            "+0de:1eb8",
            "10de:1eb8 ",
        ];
        for bad in bad {
            assert!(bad.parse::<PciId>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_id_without_a_board_covers_every_board() {
        let any = PciId::new(PciId::NVIDIA, 0x1eb8);
        let board = any.with_subsystem(0x10de, 0x12a2);
        assert!(any.covers(any) && any.covers(board) && board.covers(board));
        assert!(!board.covers(any) && !board.covers(any.with_subsystem(0x10de, 0x12a3)));
        assert_eq!(board.without_subsystem(), any);
    }

    #[test]
    fn an_address_has_one_spelling_and_is_ordered_by_place() {
        let [a, b, c]: [PciAddress; 3] =
            ["0000:01:00.1", "0000:81:00.0", "10000:00:1f.7"].map(|text| text.parse().unwrap());
        assert!(a < b && b < c);
        assert_eq!((c.domain(), c.bus(), c.device(), c.function()), (0x10000, 0, 31, 7));
        assert_eq!(c.to_string(), "10000:00:1f.7");
        for bad in [
            "",
            "81:00.0",
            "0000:81:00",
            "0000:81:20.0",
            "0000:81:00.8",
            "000:81:00.0",
            "00000:81:00.0",
            "0000:81:00.00",
            "0000:8A:00.0",
            "0000:81:00.0\n",
            "100000000:00:00.0",
        ] {
            assert!(bad.parse::<PciAddress>().is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in "[0-9a-g:./ ]{0,20}|\\PC{0,20}") {
            if let Ok(id) = text.parse::<PciId>() {
                prop_assert_eq!(id.to_string(), text.clone());
            }
            if let Ok(address) = text.parse::<PciAddress>() {
                prop_assert_eq!(address.to_string(), text);
            }
        }
    }
}
