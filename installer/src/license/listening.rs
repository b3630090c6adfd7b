//! Listening sockets on the node, from `/proc/net`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::service::Port;
use crate::host::{HostError, Look};
use crate::state::fixed;

/// Checks whether a socket listens at this address and port, or at all addresses.
pub(crate) fn at(look: &dyn Look, address: IpAddr, port: Port) -> Result<bool, HostError> {
    for path in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let text = look.text(&fixed(path))?.unwrap_or_default();
        let mut sockets = text.lines().filter_map(socket);
        if sockets.any(|(at, on)| on == port.get() && (at == address || at.is_unspecified())) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Returns the address and port of a line if its socket listens: `0: 0A0200C0:20FB 00000000:0000 0A
/// …`. Each 32-bit word of an address is little-endian.
fn socket(line: &str) -> Option<(IpAddr, u16)> {
    const LISTENS: &str = "0A";
    let words: Vec<&str> = line.split_whitespace().take(4).collect();
    let &[_, local, _, LISTENS] = words.as_slice() else { return None };
    let (address, port) = local.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |at: usize| {
        let digits = address.get(8 * at..8 * at + 8)?;
        Some(u32::from_str_radix(digits, 16).ok()?.swap_bytes())
    };
    let address = match address.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let mut number = 0;
            for at in 0..4 {
                number = number << 32 | u128::from(word(at)?);
            }
            let v6 = Ipv6Addr::from(number);
            v6.to_ipv4_mapped().map_or(IpAddr::V6(v6), IpAddr::V4)
        }
        _ => return None,
    };
    Some((address, port))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::host::testing::MemHost;

    const TCP: &str = "  sl  local_address rem_address   st tx_queue rx_queue
   0: 0A0200C0:20FB 00000000:0000 0A 00000000:00000000
   1: 0100007F:1F90 00000000:0000 0A 00000000:00000000
   2: 0A0200C0:1F91 00000000:0000 01 00000000:00000000
";
    const TCP6: &str = "   0: 00000000000000000000000000000000:0050 0:0 0A 0:0\n";

    #[test]
    fn a_port_is_taken_at_its_address_or_at_all() {
        let host = MemHost::with_files(&[("/proc/net/tcp", TCP), ("/proc/net/tcp6", TCP6)]);
        let taken = |address: &str, port| {
            at(&host, address.parse().unwrap(), Port::new(port).unwrap()).unwrap()
        };
        assert!(taken("192.0.2.10", 8443));
        assert!(!taken("192.0.2.11", 8443));
        assert!(!taken("192.0.2.10", 8080));
        assert!(!taken("192.0.2.10", 8081), "a connection does not listen");
        assert!(taken("192.0.2.10", 80) && taken("2001:db8::1", 80));
    }

    proptest! {
        #[test]
        fn no_line_makes_it_panic(line in any::<String>()) {
            socket(&line);
        }
    }
}
