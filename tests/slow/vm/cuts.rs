//! The losses of a power cut.

use std::fs;

use vgpu_tests::roots::{Release, with_own_mounts};

use super::rig::Rig;

const SECTOR: u64 = 512;

/// Two places in the space between the boot loader and the partition, of different clusters.
const FLUSHED: u64 = 1664;
const LOST: u64 = 1792;

/// The sectors that are written there.
const COUNT: u64 = 8;

#[test]
fn a_power_cut_loses_what_was_not_flushed_and_nothing_else() {
    with_own_mounts("vm::cuts::a_power_cut_loses_what_was_not_flushed_and_nothing_else", || {
        let Some(rig) = Rig::open(Release::Debian12) else { return };
        let disk = rig.disk();
        let mut node = rig.boot(&disk);
        let write = |at: u64, flags: &str| {
            format!(
                "yes written | dd of=/dev/vda bs={SECTOR} count={COUNT} seek={at} iflag=fullblock \
                 oflag=direct {flags}"
            )
        };
        let read = format!("dd if=/dev/vda bs={SECTOR} count={COUNT} skip={LOST} iflag=direct");
        // While the file system is frozen, nothing else flushes the disk.
        node.expect("fsfreeze --freeze /", 0);
        node.expect(&write(FLUSHED, "conv=notrunc,fsync"), 0);
        // The system sees the write as done.
        let sees = format!("{} && {read} | grep -c written", write(LOST, "conv=notrunc"));
        node.expect(&sees, 0);
        node.pause();
        let copy = disk.copy();
        let _ = node.cut();
        let [copied, left] = [&copy, &disk].map(|it| fs::read(it.path()).unwrap());
        assert!(copied == left, "a paused machine's disk is not that of a power cut");
        let holds = |at| {
            let bytes = copy.read(&rig.emulator, at * SECTOR, COUNT * SECTOR);
            bytes.starts_with(b"written\n")
        };
        assert!(holds(FLUSHED) && !holds(LOST));
        assert!(copy.lost(&rig.emulator) >= COUNT * SECTOR);
    });
}
