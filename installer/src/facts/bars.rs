//! Memory regions (BARs) of a PCI device: sysfs's `resource`, and the configuration space.

use std::collections::BTreeMap;

use vgpu_manifest::inventory::{Bar, BarKind};

/// The kernel's flags of a resource (`include/linux/ioport.h`).
const IO: u64 = 0x100;
const MEMORY: u64 = 0x200;
const MEMORY_64: u64 = 0x10_0000;

/// Returns the regions in `resource`, with the sizes that `config` allows for them.
///
/// `resource` has a line of start, end and flags for each region. The first six are those of the
/// device, followed by those of its ROM, of its virtual functions, and of the bus behind a bridge.
pub(super) fn parse(resource: &str, config: &[u8]) -> Vec<Bar> {
    let sizes = resizable(config);
    let bars = (0..6).zip(resource.lines()).filter_map(|(index, line)| {
        let mut numbers = line.split_whitespace().map(hexadecimal);
        let (start, end, flags) = (numbers.next()??, numbers.next()??, numbers.next()??);
        let size = end.checked_sub(start)?.checked_add(1)?;
        let kind = match flags {
            flags if flags & IO != 0 => BarKind::Io,
            flags if flags & MEMORY == 0 => return None,
            flags if flags & MEMORY_64 == 0 => BarKind::Memory32,
            _ => BarKind::Memory64,
        };
        Some(Bar {
            index,
            kind,
            size,
            resizable_to: sizes.get(&index).cloned().unwrap_or_default(),
        })
    });
    bars.collect()
}

fn hexadecimal(word: &str) -> Option<u64> {
    u64::from_str_radix(word.strip_prefix("0x")?, 16).ok()
}

/// The offset of the extended capabilities. An unprivileged reader gets fewer bytes.
const EXTENDED: usize = 0x100;
/// The number of the capability "Resizable BAR" (PCI Express Base Specification 4.0, 7.8.6).
const RESIZABLE_BAR: u32 = 0x15;

/// Returns the sizes that each resizable region supports, by the number of its BAR.
fn resizable(config: &[u8]) -> BTreeMap<u8, Vec<u64>> {
    let mut bars = BTreeMap::new();
    let Some(capability) = extended_capability(config, RESIZABLE_BAR) else { return bars };
    let control = |n: usize| word(config, capability + 8 + 8 * n);
    let count = control(0).map_or(0, |control| control >> 5 & 0x7);
    for n in 0..count as usize {
        let (Some(sizes), Some(control)) = (word(config, capability + 4 + 8 * n), control(n))
        else {
            break;
        };
        // Bit 4 means 1 MiB, bit 5 means 2 MiB, and so on.
        let sizes =
            (4..32).filter(|bit| sizes >> bit & 1 == 1).map(|bit| 1 << (bit + 16)).collect();
        bars.insert((control & 0x7) as u8, sizes);
    }
    bars
}

/// Returns the offset of an extended capability.
fn extended_capability(config: &[u8], id: u32) -> Option<usize> {
    let mut at = EXTENDED;
    // A malformed chain may be a loop; a valid one has no more links than fit.
    for _ in 0..(4096 - EXTENDED) / 8 {
        let header = word(config, at)?;
        if header & 0xffff == id {
            return Some(at);
        }
        at = (header >> 20) as usize & !0x3;
        if at < EXTENDED {
            return None;
        }
    }
    None
}

/// Returns the little-endian 32-bit value at an offset.
fn word(config: &[u8], at: usize) -> Option<u32> {
    let bytes = config.get(at..)?.first_chunk()?;
    Some(u32::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RESOURCE: &str = "\
0x00000000fb000000 0x00000000fbffffff 0x0000000000040200
0x0000000000000000 0x0000000000000000 0x0000000000000000
0x000000c000000000 0x000000cfffffffff 0x000000000014220c
0x0000000000000000 0x0000000000000000 0x0000000000000000
0x000000d000000000 0x000000d001ffffff 0x000000000014220c
0x000000000000e000 0x000000000000e07f 0x0000000000040101
0x00000000fc000000 0x00000000fc07ffff 0x0000000000046200
";

    fn put(config: &mut [u8], at: usize, value: u32) {
        config[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }

    /// Two capabilities; the second one allows 256 MiB or 64 GiB for BAR 2.
    fn config() -> Vec<u8> {
        let mut config = vec![0; 4096];
        put(&mut config, 0x100, 0x0001 | 1 << 16 | 0x200 << 20);
        put(&mut config, 0x200, RESIZABLE_BAR | 1 << 16);
        put(&mut config, 0x204, 1 << 12 | 1 << 20);
        put(&mut config, 0x208, 2 | 1 << 5);
        config
    }

    #[test]
    fn windows_have_sizes_and_kinds() {
        let bars = parse(RESOURCE, &config());
        let seen: Vec<_> = bars.iter().map(|bar| (bar.index, bar.kind, bar.size)).collect();
        let expected = [
            (0, BarKind::Memory32, 16 << 20),
            (2, BarKind::Memory64, 64 << 30),
            (4, BarKind::Memory64, 32 << 20),
            (5, BarKind::Io, 128),
        ];
        assert_eq!(seen, expected);
        assert_eq!(bars[1].resizable_to, [256 << 20, 64 << 30]);
        assert!(bars[0].resizable_to.is_empty());
    }

    #[test]
    fn what_cannot_be_seen_is_left_out() {
        assert!(parse(RESOURCE, &config()[..256]).iter().all(|bar| bar.resizable_to.is_empty()));
        assert!(parse("", &[]).is_empty());
        let mut endless = vec![0; 4096];
        put(&mut endless, 0x100, 1 | 0x100 << 20);
        assert_eq!(extended_capability(&endless, RESIZABLE_BAR), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(
            lines in "(0x[0-9a-f]{0,17} ?){0,3}\n(0x[0-9a-f]{16} ?){0,4}|\\PC*",
            config in prop::collection::vec(any::<u8>(), 0..600),
        ) {
            parse(&lines, &config);
        }
    }
}
