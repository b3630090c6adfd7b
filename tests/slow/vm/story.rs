//! From a stock node to vGPUs and back, as an operator goes there, and the power cuts on the way. Other
//! scenarios take the same steps.

use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use vgpu_tests::roots::with_own_mounts;
use vgpu_tests::vm::{Disk, Machine};

use super::cuts::{BACK, Cut, FIRST, Moment, OURS, SECOND, States};
use super::evidence::Evidence;
use super::laptop::Laptop;
use super::rig::{Kind, Rig};

#[test]
fn a_node_goes_from_stock_to_vgpus_and_back_also_after_power_cuts() {
    with_own_mounts(
        "vm::story::a_node_goes_from_stock_to_vgpus_and_back_also_after_power_cuts",
        || {
            let Some(rig) = Rig::open(Kind::BIOS) else { return };
            let evidence = Evidence::new("bios", "A node that boots with GRUB on a BIOS");
            let begun = Instant::now();
            let mut story = Story::begin(&rig, evidence);
            story.plan();
            story.apply("", &FIRST);
            story.resume(&SECOND);
            story.break_and_mend();
            let states = story.remove(&BACK);
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
            evidence.write_page(&table);
            assert_eq!(failed, Vec::<&str>::new());
        },
    );
}

/// The attempts to find a moment with writes that are not flushed.
const TRIES: u32 = 100;

/// The node on its way.
pub(super) struct Story<'r> {
    rig: &'r Rig,
    laptop: Laptop,
    disk: Disk,
    pub(super) node: Machine,
    states: States,
}

impl<'r> Story<'r> {
    /// Boots a stock node.
    pub(super) fn begin(rig: &'r Rig, evidence: Evidence) -> Self {
        let laptop = Laptop::new();
        let disk = rig.disk();
        let node = rig.boot(&disk);
        let states = States {
            stock: rig.disk(),
            between: None,
            done: None,
            cuts: Vec::new(),
            times: String::new(),
            evidence,
        };
        Self { rig, laptop, disk, node, states }
    }

    /// Takes the inventory, builds the bundle, and follows the page on the stick up to the plan.
    pub(super) fn plan(&mut self) -> String {
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
        plan
    }

    /// Applies the bundle with more options up to the reboot; returns the output.
    pub(super) fn apply(&mut self, options: &str, moments: &[Moment]) -> String {
        let begun = Instant::now();
        let page = self.laptop.page();
        let set: Vec<_> = page.lines().take(2).collect();
        assert!(set[0].starts_with("cd ") && set[1].starts_with("STICK="), "{set:?}");
        let apply = page.lines().find(|line| line.starts_with("./vgpu-installer apply")).unwrap();
        self.node.begin(&format!("{}\n{apply} --yes {options}", set.join("\n")));
        self.cuts(moments, "test -s /run/begun.code");
        let said = self.node.end(10).out;
        assert!(said.contains("phase 1 is done"), "{said}");
        self.node.unplug();
        self.states.between = Some(self.still());
        self.took("phase 1", begun.elapsed());
        said
    }

    /// Restarts the node, which resumes.
    pub(super) fn resume(&mut self, moments: &[Moment]) {
        let begun = Instant::now();
        self.node.reboot();
        self.cuts(moments, "systemctl is-system-running | grep -q -e running -e degraded");
        self.node.settle();
        self.is_green();
        self.states.done = Some(self.still());
        self.took("reboot and phase 2", begun.elapsed());
    }

    pub(super) fn is_green(&mut self) {
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
                "the vGPU interface exists but lists no type",
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

    /// Removes everything, restarts the node, and compares its disk with the stock disk.
    pub(super) fn remove(mut self, moments: &[Moment]) -> States {
        let begun = Instant::now();
        self.node.begin("vgpu-installer remove --yes");
        self.cuts(moments, "test -s /run/begun.code");
        self.node.end(10);
        self.node.reboot();
        self.node.settle();
        self.node.expect("/root/vgpu-installer forget --yes", 0);
        let Self { rig, disk, node, mut states, .. } = self;
        states.evidence.record("console", &node.console());
        states.evidence.record("story", &node.power_off());
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
            let disk = self.torn();
            self.states.cuts.push(Cut { moment: *moment, disk });
        }
    }

    /// Returns the disk that a power cut leaves soon: in the first moment in which the machine has
    /// written something that it has not flushed yet. Between such moments, a cut loses only what
    /// is in the machine's memory.
    fn torn(&mut self) -> Disk {
        let mut tries = 0;
        loop {
            self.node.pause();
            let disk = self.disk.copy();
            self.node.go_on();
            tries += 1;
            if disk.lost(&self.rig.emulator) > 0 || tries == TRIES {
                return disk;
            }
            std::thread::sleep(Duration::from_millis(20));
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

    pub(super) fn took(&mut self, what: &str, time: Duration) {
        eprintln!("{what}: {} s", time.as_secs());
        let _ = writeln!(self.states.times, "{what}: {} s", time.as_secs());
    }
}
