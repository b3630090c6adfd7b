//! Power cuts: their moments, their losses, and how a node continues after them.

use std::fs;
use std::time::Instant;

use vgpu_tests::roots::with_own_mounts;
use vgpu_tests::tree::MayDiffer;
use vgpu_tests::vm::Disk;

use super::evidence::Evidence;
use super::rig::{Kind, Rig, it};

/// A moment in which the power is cut.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) during: &'static str,
    pub(super) name: &'static str,
    /// The sign of it, as a shell's condition. `K` is the kernel.
    pub(super) sign: &'static str,
    pub(super) then: Then,
}

/// The continuation after a cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// The operator runs `apply` again: the end of phase 1.
    Apply,
    /// The resume unit continues: vGPUs.
    Resume,
    /// The operator runs `remove`: the stock node.
    Remove,
}

pub(super) const FIRST: [Moment; 2] = [
    Moment {
        during: "phase 1",
        name: "dpkg unpacks packages",
        sign: "test -e /var/lib/dpkg/info/dkms.list",
        then: Then::Apply,
    },
    Moment {
        during: "phase 1",
        name: "an initramfs is being written",
        sign: "test -e /boot/initrd.img-K.new",
        then: Then::Remove,
    },
];

pub(super) const SECOND: [Moment; 2] = [
    Moment {
        during: "phase 2",
        name: "the compiler runs",
        sign: "pidof cc1 >/dev/null",
        then: Then::Resume,
    },
    Moment {
        during: "phase 2",
        name: "the module is installed",
        sign: "test -e /lib/modules/K/updates/dkms/nvidia.ko",
        then: Then::Resume,
    },
];

pub(super) const BACK: [Moment; 1] = [Moment {
    during: "remove",
    name: "the module is removed",
    sign: "! test -e /lib/modules/K/updates/dkms/nvidia.ko",
    then: Then::Remove,
}];

/// The disk that a power cut leaves.
pub(super) struct Cut {
    pub(super) moment: Moment,
    pub(super) disk: Disk,
}

/// The disks on the way.
pub(super) struct States {
    pub(super) stock: Disk,
    /// After phase 1.
    pub(super) between: Option<Disk>,
    /// With vGPUs.
    pub(super) done: Option<Disk>,
    pub(super) cuts: Vec<Cut>,
    /// The times of the stages, for people.
    pub(super) times: String,
    pub(super) evidence: Evidence,
}

/// The installer's own files, and the operator's.
pub(super) const OURS: [MayDiffer; 3] = [
    it("etc/vgpu-offline*", "the trust, which a revert keeps"),
    it("var/lib/vgpu-offline*", "the store and the journal, until `forget`"),
    it("usr/local/sbin/vgpu-installer", "the program, until `forget`"),
];

/// Modules that were built at another time.
const BUILT: [MayDiffer; 1] =
    [it("var/lib/dkms/nvidia/550.163.02/*", "logs of DKMS have the time of the build")];

impl States {
    /// Boots the disk that a cut left, continues, and compares the end with that of the run without
    /// a cut.
    pub(super) fn recover(&self, rig: &Rig, cut: &Cut) -> String {
        let begun = Instant::now();
        let Moment { during, name, then, .. } = cut.moment;
        let lost = cut.disk.lost(&rig.emulator) >> 10;
        let mut node = rig.boot(&cut.disk);
        node.run("/root/vgpu-installer status");
        node.expect("! grep -q -P '\\0' /var/log/vgpu-offline/installer.log", 0);
        let (end, says) = match then {
            Then::Apply => {
                node.expect("/root/vgpu-installer apply", 10);
                (self.between.as_ref(), "`apply`: as after phase 1")
            }
            Then::Resume => {
                node.expect("vgpu-installer status", 0);
                (self.done.as_ref(), "resumed after the boot: as after phase 2")
            }
            Then::Remove => {
                let code = node.run("/root/vgpu-installer remove --yes").code;
                assert!(matches!(code, 0 | 10), "{}", node.power_off());
                (Some(&self.stock), "`remove`: as the stock node")
            }
        };
        let text = format!("then-{}", name.replace(' ', "-"));
        self.evidence.record(&text, &node.power_off());
        let built: &[_] = if then == Then::Resume { &BUILT } else { &[] };
        rig.same(end.unwrap(), &cut.disk, &[&OURS[..], built].concat());
        format!("| {during} | {name} | {lost} KiB | {says} | {} |", begun.elapsed().as_secs())
    }
}

const SECTOR: u64 = 512;

/// Two places in the space between the boot loader and the partition, of different clusters.
const FLUSHED: u64 = 1664;
const LOST: u64 = 1792;

/// The sectors that are written there.
const COUNT: u64 = 8;

#[test]
fn a_power_cut_loses_what_was_not_flushed_and_nothing_else() {
    with_own_mounts("vm::cuts::a_power_cut_loses_what_was_not_flushed_and_nothing_else", || {
        let Some(rig) = Rig::open(Kind::BIOS) else { return };
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
