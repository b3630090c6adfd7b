//! From a stock node to vGPUs and back, as an operator goes there, and the power cuts on the way.

use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use vgpu_tests::roots::{Release, with_own_mounts};
use vgpu_tests::tree::MayDiffer;
use vgpu_tests::vm::{Disk, Machine};

use super::laptop::Laptop;
use super::rig::{Rig, it, record};

#[test]
fn a_node_goes_from_stock_to_vgpus_and_back_also_after_power_cuts() {
    with_own_mounts(
        "vm::story::a_node_goes_from_stock_to_vgpus_and_back_also_after_power_cuts",
        || {
            let Some(rig) = Rig::open(Release::Debian12) else { return };
            let begun = Instant::now();
            let states = Story::begin(&rig).play();
            let mut table = format!(
                "{}\n| during | moment of the cut | lost | then | s |\n| --- | --- | --- | --- | --- |\n",
                states.times
            );
            let mut failed = Vec::new();
            for cut in &states.cuts {
                // The other cuts are of interest also if one fails.
                let row = catch_unwind(AssertUnwindSafe(|| states.recover(&rig, cut)));
                let row = row.unwrap_or_else(|_| {
                    failed.push(cut.moment.name);
                    format!("| {} | {} | | failed | |", cut.moment.during, cut.moment.name)
                });
                eprintln!("{row}");
                let _ = writeln!(table, "{row}");
            }
            let _ = writeln!(table, "\nin all: {} s", begun.elapsed().as_secs());
            eprintln!("{table}");
            record("summary", &[table]);
            assert_eq!(failed, Vec::<&str>::new());
        },
    );
}

/// A moment in which the power is cut.
#[derive(Debug, Clone, Copy)]
struct Moment {
    during: &'static str,
    name: &'static str,
    /// The sign of it, as a shell's condition. `K` is the kernel.
    sign: &'static str,
    then: Then,
}

/// The continuation after a cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    /// The operator runs `apply` again: the end of phase 1.
    Apply,
    /// The resume unit continues: vGPUs.
    Resume,
    /// The operator runs `remove`: the stock node.
    Remove,
}

const FIRST: [Moment; 2] = [
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

const SECOND: [Moment; 2] = [
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

const BACK: [Moment; 1] = [Moment {
    during: "remove",
    name: "the module is removed",
    sign: "! test -e /lib/modules/K/updates/dkms/nvidia.ko",
    then: Then::Remove,
}];

/// The disk that a power cut leaves.
struct Cut {
    moment: Moment,
    disk: Disk,
}

/// The node on its way.
struct Story<'r> {
    rig: &'r Rig,
    laptop: Laptop,
    disk: Disk,
    node: Machine,
    states: States,
}

/// The disks on the way.
struct States {
    stock: Disk,
    /// After phase 1.
    between: Option<Disk>,
    /// With vGPUs.
    done: Option<Disk>,
    cuts: Vec<Cut>,
    /// The times of the stages, for people.
    times: String,
}

/// The installer's own files, and the operator's.
const OURS: [MayDiffer; 3] = [
    it("etc/vgpu-offline*", "the trust, which a revert keeps"),
    it("var/lib/vgpu-offline*", "the store and the journal, until `forget`"),
    it("usr/local/sbin/vgpu-installer", "the program, until `forget`"),
];

/// Modules that were built at another time.
const BUILT: [MayDiffer; 1] =
    [it("var/lib/dkms/nvidia/550.163.02/*", "logs of DKMS have the time of the build")];

impl<'r> Story<'r> {
    fn begin(rig: &'r Rig) -> Self {
        let laptop = Laptop::new();
        let disk = rig.disk();
        let node = rig.boot(&disk);
        let states = States {
            stock: rig.disk(),
            between: None,
            done: None,
            cuts: Vec::new(),
            times: String::new(),
        };
        Self { rig, laptop, disk, node, states }
    }

    fn play(mut self) -> States {
        self.plan();
        self.apply();
        self.resume();
        self.break_and_mend();
        self.remove()
    }

    /// Takes the inventory, builds the bundle, and follows the page on the stick up to the plan.
    fn plan(&mut self) {
        let begun = Instant::now();
        let Self { rig, laptop, node, .. } = self;
        let first = laptop.first_stick();
        node.plug(&first);
        node.expect("/mnt/vgpu-installer inventory --output /mnt/node.json", 0);
        node.unplug();
        let stick = laptop.second_stick(&rig.roots, &first);
        node.plug(&stick);
        let page = laptop.page();
        let (before, rest) = page.split_once("./vgpu-installer apply").unwrap();
        let plan = node.expect(&format!("set -e\n{before}"), 0).out;
        for line in [
            "native, unverified: A40 (10de:2235, ampere)",
            "configure kernel parameters `intel_iommu=on iommu=pt` in /etc/default/grub.d",
            "enable SR-IOV virtual functions, now and at boot (pve-nvidia-sriov@0000:01:00.0.service)",
        ] {
            assert!(plan.contains(line), "{line}: {plan}");
        }
        // The other half of the page: the same with stock tools.
        let (_, by_hand) = rest.split_once('\n').unwrap();
        let set: Vec<_> = before.lines().filter(|line| line.contains('=')).take(2).collect();
        let by_hand = format!("set -e\ncd /root\n{}\n{by_hand}", set.join("\n"));
        let proven = node.expect(&by_hand, 0);
        assert!(proven.out.contains("\nproven: "), "{}", proven.out);
        // Nothing has changed but the trust, its record, and the operator's copies.
        let now = self.still();
        self.rig.same(&self.states.stock, &now, &OURS);
        self.took("inventory, bundle, plan", begun.elapsed());
    }

    fn apply(&mut self) {
        let begun = Instant::now();
        let page = self.laptop.page();
        let is_needed = |line: &&str| line.starts_with("STICK=") || line.starts_with("cd ");
        let set: Vec<_> = page.lines().filter(is_needed).collect();
        let apply = page.lines().find(|line| line.starts_with("./vgpu-installer apply")).unwrap();
        self.node.begin(&format!("{}\n{apply} --yes", set.join("\n")));
        self.cuts(&FIRST, "test -s /run/begun.code");
        let said = self.node.end(10).out;
        assert!(said.contains("phase 1 is done"), "{said}");
        self.node.unplug();
        self.states.between = Some(self.still());
        self.took("phase 1", begun.elapsed());
    }

    fn resume(&mut self) {
        let begun = Instant::now();
        self.node.reboot();
        self.cuts(&SECOND, "systemctl is-system-running | grep -q -e running -e degraded");
        self.node.settle();
        self.is_green();
        self.states.done = Some(self.still());
        self.took("reboot and phase 2", begun.elapsed());
    }

    fn is_green(&mut self) {
        let status = self.node.expect("vgpu-installer status", 0).out;
        assert!(status.contains("8 of 8 virtual functions"), "{status}");
    }

    /// Takes the causes of a green status away, one at a time.
    fn break_and_mend(&mut self) {
        let begun = Instant::now();
        for (break_it, says, mend) in [
            (
                "systemctl stop nvidia-vgpu-mgr",
                "nvidia-vgpu-mgr.service is inactive",
                "systemctl start nvidia-vgpu-mgr",
            ),
            (
                "echo >/sys/module/nvidia/parameters/vgpu_types",
                "vGPU types",
                "systemctl restart nvidia-vgpud",
            ),
            (
                "echo 0 >/sys/bus/pci/devices/0000:01:00.0/sriov_numvfs",
                "0 of 8 virtual functions",
                "vgpu-installer sriov",
            ),
        ] {
            self.node.expect(break_it, 0);
            let status = self.node.expect("vgpu-installer status", 5).out;
            assert!(status.contains(says), "{says}: {status}");
            self.node.expect(mend, 0);
            self.is_green();
        }
        self.took("three causes taken away", begun.elapsed());
    }

    fn remove(mut self) -> States {
        let begun = Instant::now();
        self.node.begin("vgpu-installer remove --yes");
        self.cuts(&BACK, "test -s /run/begun.code");
        self.node.end(10);
        self.node.reboot();
        self.node.settle();
        self.node.expect("/root/vgpu-installer forget --yes", 0);
        let Self { rig, disk, node, mut states, .. } = self;
        record("console", &[node.console()]);
        record("story", &[node.power_off()]);
        let paths = rig.same(&states.stock, &disk, &[]);
        let seconds = begun.elapsed().as_secs();
        let _ = writeln!(states.times, "remove and reboot: {seconds} s; {paths} paths as before");
        states
    }

    /// Takes the disks that power cuts at these moments leave.
    fn cuts(&mut self, moments: &[Moment], late: &str) {
        for moment in moments {
            let sign = moment.sign.replace('K', "$(uname -r)");
            self.node.reach(&sign, late);
            self.node.pause();
            let disk = self.disk.copy();
            self.node.go_on();
            self.states.cuts.push(Cut { moment: *moment, disk });
        }
    }

    /// Returns a copy of the disk with everything that was written.
    fn still(&mut self) -> Disk {
        self.node.expect("fsfreeze --freeze /", 0);
        self.node.pause();
        let disk = self.disk.copy();
        self.node.go_on();
        self.node.expect("fsfreeze --unfreeze /", 0);
        disk
    }

    fn took(&mut self, what: &str, time: Duration) {
        eprintln!("{what}: {} s", time.as_secs());
        let _ = writeln!(self.states.times, "{what}: {} s", time.as_secs());
    }
}

impl States {
    /// Boots the disk that a cut left, continues, and compares the end with that of the run without
    /// a cut.
    fn recover(&self, rig: &Rig, cut: &Cut) -> String {
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
        record(&format!("cut-{}", name.replace(' ', "-")), &[node.power_off()]);
        rig.same(end.unwrap(), &cut.disk, &[&OURS[..], &BUILT].concat());
        format!("| {during} | {name} | {lost} KiB | {says} | {} |", begun.elapsed().as_secs())
    }
}
