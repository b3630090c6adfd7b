//! NVIDIA's ids for QEMU's SR-IOV device.
//!
//! `igb` has the ids of Intel's 82576 as constants in its program. A copy of the program with other
//! constants makes the kernel see a GPU with virtual functions.

use std::ops::Range;

/// The ids that the device gets, also on its virtual functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ids {
    pub(super) vendor: u16,
    pub(super) device: u16,
    /// The class and subclass.
    pub(super) class: u16,
}

/// Intel's vendor id, in the program's byte order.
const INTEL: [u8; 2] = 0x8086_u16.to_le_bytes();

/// The device ids of the 82576: of the device, and of its virtual functions.
const IGB: [u16; 2] = [0x10c9, 0x10ca];

/// A network controller, as the value of a 32-bit register.
const NETWORK: [u8; 4] = 0x200_u32.to_le_bytes();

/// The distance before the assignment of the ids in which the class is loaded, in bytes.
const NEAR: usize = 64;

/// Returns the program with these ids in `igb`.
///
/// # Panics
///
/// If one of the constants is not found exactly once.
pub(super) fn with_ids(mut program: Vec<u8>, ids: Ids) -> Vec<u8> {
    let Ids { vendor, device, class } = ids;
    for old in IGB {
        // movl $0x10c98086, vendor_id(%reg), which assigns both ids at once.
        let mut assigned = vec![Some(0xc7), None, None, None, None, None];
        assigned.extend(INTEL.iter().chain(&old.to_le_bytes()).map(|byte| Some(*byte)));
        let at = once(&program, 0..program.len(), &assigned, "ids");
        program[at + 6..at + 8].copy_from_slice(&vendor.to_le_bytes());
        program[at + 8..at + 10].copy_from_slice(&device.to_le_bytes());
        // movl $0x200, %edx
        let loaded = [&[0xba_u8], &NETWORK[..]].concat();
        let loaded: Vec<_> = loaded.into_iter().map(Some).collect();
        let at = once(&program, at.saturating_sub(NEAR)..at, &loaded, "class");
        program[at + 1..at + 3].copy_from_slice(&class.to_le_bytes());
    }
    // movl $0x10ca, %ecx: an argument of pcie_sriov_pf_init.
    let argument = [0xb9, 0xca, 0x10, 0, 0].map(Some);
    let at = once(&program, 0..program.len(), &argument, "device id of virtual functions");
    program[at + 1..at + 3].copy_from_slice(&device.to_le_bytes());
    program
}

/// Returns the only place in `range` where the program has these bytes.
fn once(program: &[u8], range: Range<usize>, bytes: &[Option<u8>], what: &str) -> usize {
    let is_here = |window: &[u8]| {
        let mut pairs = window.iter().zip(bytes);
        pairs.all(|(byte, wanted)| wanted.is_none_or(|wanted| wanted == *byte))
    };
    let windows = program[range.clone()].windows(bytes.len()).enumerate();
    let found: Vec<_> =
        windows.filter(|(_, window)| is_here(window)).map(|(at, _)| range.start + at).collect();
    let [at] = found[..] else { panic!("{} places with the {what} of igb in QEMU", found.len()) };
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    const A40: Ids = Ids { vendor: 0x10de, device: 0x2235, class: 0x0302 };

    /// The instructions of both classes, as Debian 13's QEMU has them, and one of another device.
    const PROGRAM: &[u8] = b"\xba\0\x02\0\0\xc7\x80\xd8\0\0\0\x86\x80\xc9\x10\xb9\xca\x10\0\0\
          \xba\0\x02\0\0\xc7\x85\xd8\0\0\0\x86\x80\xca\x10\xc7\x80\xd8\0\0\0\x86\x80\xd3\x10";

    #[test]
    fn the_ids_of_both_kinds_of_functions_are_replaced_and_no_others() {
        let program = with_ids(PROGRAM.to_vec(), A40);
        let expected = b"\xba\x02\x03\0\0\xc7\x80\xd8\0\0\0\xde\x10\x35\x22\xb9\x35\x22\0\0\
              \xba\x02\x03\0\0\xc7\x85\xd8\0\0\0\xde\x10\x35\x22\xc7\x80\xd8\0\0\0\x86\x80\xd3\x10";
        assert_eq!(program, expected);
    }

    #[test]
    #[should_panic(expected = "2 places with the ids of igb in QEMU")]
    fn constants_that_are_not_unique_are_refused() {
        let _ = with_ids([PROGRAM, PROGRAM].concat(), A40);
    }

    #[test]
    #[should_panic(expected = "0 places with the ids of igb in QEMU")]
    fn constants_that_are_missing_are_refused() {
        let _ = with_ids(PROGRAM[..10].to_vec(), A40);
    }
}
