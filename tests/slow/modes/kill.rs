//! Power cuts while real tools work, at chosen points that are recognized by files on the disk.
//!
//! Each point starts from a copy of the node shortly before, and each continuation from a copy of
//! the state after the cut.

use std::fmt::Write as _;
use std::fs::File;
use std::process::Stdio;
use std::time::Duration;

use camino::Utf8PathBuf;
use vgpu_tests::kit::Kit;
use vgpu_tests::roots::{Root, Roots, with_own_mounts};

use super::native::is_built;
use super::stage::{Picture, Stage};
use super::trouble::{content, equipped, scripted, wait_for};

const VERSION: &str = "550.163.02";

/// The operation that is interrupted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum During {
    /// Phase 1, before the reboot.
    First,
    /// Phase 2, after the reboot.
    Second,
    /// A revert.
    Revert,
}

/// The sign of the point. In a path, `K` is the kernel and `V` the driver.
#[derive(Debug, Clone, Copy)]
enum Seen {
    /// A path exists.
    There(&'static str),
    /// A path no longer exists.
    Gone(&'static str),
    /// A folder is not empty.
    Filled(&'static str),
}

/// The continuation after the cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// The same operation is completed.
    On,
    /// Everything is reverted.
    Back,
}

use During::{First, Revert, Second};
use Seen::{Filled, Gone, There};

/// The points, in order.
const POINTS: [(During, &str, Seen); 16] = [
    (First, "the store is being filled", Filled("/var/lib/vgpu-offline/store")),
    (First, "the program is installed", There("/usr/local/sbin/vgpu-installer")),
    (First, "a package is being configured", There("/var/lib/dpkg/info/vgpu-tool.list")),
    (First, "the first setting is written", There("/etc/modprobe.d/vgpu-offline.conf")),
    (First, "an initial file system is being written", There("/boot/initrd.img-K.new")),
    (Second, "the package unpacks itself", There("/var/lib/vgpu-offline-work/driver/tree")),
    (Second, "NVIDIA's installer has begun", There("/var/lib/nvidia/files")),
    (Second, "it has copied the sources", There("/usr/src/nvidia-V/dkms.conf")),
    (Second, "DKMS knows them", There("/var/lib/dkms/nvidia/V/source")),
    (Second, "the compiler is at work", There("/var/lib/dkms/nvidia/V/build/make.log")),
    (Second, "the module is in its place", There("/lib/modules/K/updates/dkms/nvidia.ko")),
    (
        Second,
        "the daemons are switched on",
        There("/etc/systemd/system/multi-user.target.wants/nvidia-vgpud.service"),
    ),
    (Revert, "the module is gone", Gone("/lib/modules/K/updates/dkms/nvidia.ko")),
    (Revert, "the driver's programs are gone", Gone("/usr/bin/nvidia-uninstall")),
    (Revert, "the settings are gone", Gone("/etc/modprobe.d/vgpu-offline.conf")),
    (Revert, "the package is gone", Gone("/var/lib/dpkg/info/vgpu-tool.list")),
];

#[test]
fn a_cut_at_each_stage_of_a_driver_leads_on_or_back() {
    with_own_mounts("modes::kill::a_cut_at_each_stage_of_a_driver_leads_on_or_back", || {
        // The continuations alternate between the points.
        pull_at_each("kill-points", |number| &[Way::On, Way::Back][number % 2..][..1]);
    });
}

#[test]
fn a_plug_that_is_pulled_at_each_stage_of_a_driver_leads_on_and_back() {
    with_own_mounts(
        "modes::kill::a_plug_that_is_pulled_at_each_stage_of_a_driver_leads_on_and_back",
        || pull_at_each("kill-points-both", |_| &[Way::On, Way::Back]),
    );
}

/// A node before, between and after the two phases, with the expected state of each.
struct States {
    stock: Stage,
    between: Stage,
    done: Stage,
    after_first: Picture,
    after_second: Picture,
}

fn pull_at_each(name: &str, ways: fn(usize) -> &'static [Way]) {
    let Some(roots) = Roots::open() else { return };
    let mut kit = Kit::new();
    let Some(stock) = equipped(&roots, &kit) else { return };
    let tool = scripted(&stock, &mut kit, "vgpu-tool", "sleep 0.3");
    stock.site.insert(&content(vec![tool], &[VERSION]).bundle(&mut kit, 1));
    let states = States::reach(stock);
    let mut story = states.stock.fork();
    story.begin(name);
    let mut table = "| during | when | then |\n| --- | --- | --- |\n".to_owned();
    for (number, (during, when, seen)) in POINTS.into_iter().enumerate() {
        let mut cut = states.before(during).fork();
        pull(&cut, during, seen);
        cut.reboot(0);
        let mut then = Vec::new();
        for way in ways(number) {
            let mut node = cut.fork();
            then.push(states.lead(&mut node, during, *way));
            story.note(&format!("\n## {during:?}: {when}\n{}", node.transcript()));
        }
        then.dedup();
        writeln!(table, "| {during:?} | {when} | {} |", then.join("; ")).unwrap();
    }
    story.note(&format!("\n{table}"));
    eprintln!("{table}");
}

impl States {
    fn reach(stock: Stage) -> Self {
        let mut between = stock.fork();
        between.apply(&["--no-resume"], 10);
        let after_first = between.picture();
        between.reboot(0);
        let mut done = between.fork();
        done.run(&["apply"], 0);
        is_built(&done, VERSION);
        let after_second = done.picture();
        Self { stock, between, done, after_first, after_second }
    }

    fn before(&self, during: During) -> &Stage {
        match during {
            First => &self.stock,
            Second => &self.between,
            Revert => &self.done,
        }
    }

    /// Resumes or reverts on a node, and returns which it was.
    fn lead(&self, node: &mut Stage, during: During, way: Way) -> &'static str {
        match (during, way) {
            (First, Way::On) => {
                node.apply(&["--no-resume"], 10);
                node.is_as(&self.after_first, &[]);
                "gone on with to the same end"
            }
            (Second, Way::On) => {
                node.run(&["apply"], 0);
                is_built(node, VERSION);
                // DKMS records the build time.
                let log = format!("var/lib/dkms/nvidia/{VERSION}/{}/x86_64/log/", node.kernel);
                node.is_as(&self.after_second, &[&log]);
                "gone on with to the same end"
            }
            (Revert, _) | (_, Way::Back) => {
                let said = vgpu_tests::scratch::run(node.site.command(&["revert", "--yes"]));
                assert!(matches!(said.code, Some(0 | 10)), "{}{}", said.out, said.err);
                node.is_as_before_but_for_ours();
                "taken back to the start"
            }
        }
    }
}

/// Cuts the power of a node at a point.
fn pull(node: &Stage, during: During, seen: Seen) {
    let bundle = node.site.bundle();
    let first = ["apply", bundle.as_str(), "--yes", "--no-resume"];
    let words: &[&str] = match during {
        First => &first,
        Second => &["apply"],
        Revert => &["revert", "--yes"],
    };
    assert!(!seen.by(node), "{seen:?} from the start");
    let mut command = node.site.command(words);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while !seen.by(node) {
        assert_eq!(child.try_wait().unwrap(), None, "it ended, and {seen:?} never was so");
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(child.try_wait().unwrap(), None, "it ended before the plug was pulled at {seen:?}");
    // `unshare --kill-child` ends all processes of the root with it.
    child.kill().unwrap();
    child.wait().unwrap();
    wait_for(|| is_idle(node.root()));
}

impl Seen {
    fn by(self, node: &Stage) -> bool {
        let at = |path: &str| -> Utf8PathBuf {
            node.root().at(&path.replace('K', &node.kernel).replace('V', VERSION))
        };
        match self {
            There(path) => at(path).symlink_metadata().is_ok(),
            Gone(path) => at(path).symlink_metadata().is_err(),
            Filled(path) => at(path).read_dir_utf8().is_ok_and(|mut names| names.next().is_some()),
        }
    }
}

/// Checks whether the installer's lock is free.
fn is_idle(root: &Root) -> bool {
    let lock = root.at("/var/lib/vgpu-offline/lock");
    File::open(lock).is_ok_and(|lock| lock.try_lock().is_ok())
}
