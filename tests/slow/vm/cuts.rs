//! The losses of a power cut.

use vgpu_tests::roots::{Release, with_own_mounts};

use super::rig::Rig;

/// Two places in the space between the boot loader and the partition, of different clusters.
const FLUSHED: u32 = 1664;
const LOST: u32 = 1792;

#[test]
fn a_power_cut_loses_what_was_not_flushed_and_nothing_else() {
    with_own_mounts("vm::cuts::a_power_cut_loses_what_was_not_flushed_and_nothing_else", || {
        let Some(rig) = Rig::open(Release::Debian12) else { return };
        let disk = rig.disk();
        let mut node = rig.boot(&disk);
        let write = |at: u32, flags: &str| {
            format!("yes written | dd of=/dev/vda bs=512 count=8 seek={at} iflag=fullblock {flags}")
        };
        let read = |at: u32| {
            format!("dd if=/dev/vda bs=512 count=8 skip={at} iflag=direct | grep -c written")
        };
        node.expect("sync", 0);
        node.expect(&write(FLUSHED, "oflag=direct conv=notrunc,fsync"), 0);
        // The system sees the write as done.
        node.expect(&format!("{} && {}", write(LOST, "oflag=direct conv=notrunc"), read(LOST)), 0);
        let _ = node.cut();
        let mut node = rig.boot(&disk);
        node.expect(&read(FLUSHED), 0);
        node.expect(&read(LOST), 1);
        let _ = node.power_off();
    });
}
