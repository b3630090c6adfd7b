//! The driver's stand-in on a node: a real package that unpacks itself, a module that DKMS really
//! builds against Debian's kernel headers, and a GPU that sysfs only claims to have.

use std::fs;
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::{Value, json};
use vgpu_manifest::catalog::Catalog;
use vgpu_manifest::catalog::database;
use vgpu_manifest::patch::Patch;
use vgpu_tests::kit::{Kit, archive};
use vgpu_tests::nvidia::StandIn;
use vgpu_tests::roots::{Layer, Release, Root, Roots, with_own_mounts};
use vgpu_tests::scratch::expect;

use super::site::Site;

/// What a driver needs, and the headers of Debian's own kernel in the role of Proxmox's.
const TOOLS: [&str; 5] = ["dkms", "gcc", "make", "linux-headers-amd64", "zstd"];

/// What may differ after a driver has come and gone again, and why.
const MAY_DIFFER: [&str; 7] = [
    "var/log",              // what happened is written down
    "var/cache",            // caches
    "etc/vgpu-offline",     // trust
    "var/lib/vgpu-offline", // our own
    "tmp",                  // compilers' leftovers
    "run",                  // what only lives until the next boot
    "sys",                  // the kernel's own, as far as it is played here
];

/// Runs our program on the invented machine that [`furnish`] describes.
pub(crate) const MACHINE: &str = include_str!("machine.sh");

/// The kernel whose headers are in the root.
pub(crate) fn kernel(root: &Root) -> String {
    let names = root.at("/lib/modules").read_dir_utf8().unwrap();
    names.map(|entry| entry.unwrap().file_name().to_owned()).max().unwrap()
}

/// Give the root a Turing GPU, an AMD CPU, and Debian's kernel as the one that runs. What belongs
/// to the machine itself is put over `/proc` by a wrapper, each time that our program runs.
pub(crate) fn furnish(root: &Root) {
    let kernel = kernel(root);
    let device = "/sys/bus/pci/devices/0000:81:00.0";
    for (name, text) in [
        ("vendor", "0x10de\n"),
        ("device", "0x1e07\n"),
        ("subsystem_vendor", "0x10de\n"),
        ("subsystem_device", "0x12a4\n"),
        ("class", "0x030000\n"),
    ] {
        root.write(&format!("{device}/{name}"), text);
    }
    root.write(
        "/usr/local/bin/uname",
        format!(
            "#!/bin/sh\ntest \"$1\" = -r && {{ echo {kernel}; exit; }}\nexec /bin/uname \"$@\"\n"
        ),
    );
    // Commands of systemd that keep what they are asked in files: enough for `is-active`.
    root.write("/usr/local/sbin/systemctl", include_str!("systemctl.sh"));
    // What would load the module into the machine's own kernel.
    root.write("/usr/local/sbin/modprobe", include_str!("modprobe.sh"));
    // What rebuilds derived state, and a journal in which nobody complains.
    let idle = ["journalctl", "update-initramfs", "update-grub"];
    let idle = idle.map(|name| format!("/usr/local/sbin/{name}"));
    for path in &idle {
        root.write(path, "#!/bin/sh\nexit 0\n");
    }
    let mut programs =
        vec!["/usr/local/bin/uname", "/usr/local/sbin/systemctl", "/usr/local/sbin/modprobe"];
    programs.extend(idle.iter().map(String::as_str));
    expect(root.command(&[&["chmod", "755"], &programs[..]].concat()), 0);
    root.write("/root/proc/osrelease", format!("{kernel}\n"));
    root.write("/root/proc/boot_id", "first\n");
    root.write("/root/proc/cpuinfo", "vendor_id\t: AuthenticAMD\nflags\t: svm\n");
    root.write("/root/proc/modules", "");
    root.write("/root/proc/cmdline", "root=/dev/sda1 quiet\n");
    root.write("/etc/default/grub", "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\n");
}

/// Take a driver and its patch into the bundle, as the bundler describes them.
pub(crate) fn driver(kit: &mut Kit, version: &str) -> Value {
    let stand_in = StandIn::host(version);
    let (run, patch) = (format!("driver/{}", stand_in.file_name()), format!("patch/{version}"));
    let file = kit.path(&stand_in.file_name());
    stand_in.write(&file).unwrap();
    let tree = kit.path(&format!("tree-{version}"));
    let mut unpack = std::process::Command::new("sh");
    unpack.args([file.as_str(), "-x", "--target", tree.as_str()]);
    expect(unpack, 0);
    kit.file(&run, &file);
    let bytes = stand_in.patch();
    kit.bytes(&patch, &bytes);
    let parsed = Patch::parse(&bytes).unwrap();
    let files: Vec<_> = parsed.files().iter().map(|file| patched(&tree, file)).collect();
    let config = vgpu_manifest::Digest::of(&fs::read(tree.join("vgpuConfig.xml")).unwrap());
    json!({
        "item": run, "version": version, "kind": "host", "config": config, "gpus": ["1e30", "1eb8", "2235"],
        "patch": [{ "item": patch, "file": files }],
    })
}

fn patched(tree: &Utf8Path, file: &vgpu_manifest::patch::FilePatch) -> Value {
    let path: Utf8PathBuf = tree.join(file.path().as_str());
    let mut new = Vec::new();
    let applied = file.apply(Some(&mut fs::File::open(path).unwrap()), &mut new).unwrap();
    json!({ "path": file.path(), "before": applied.before, "after": applied.after })
}

/// A bundle that unlocks the GPU with this driver.
fn bundle(kit: &mut Kit, release: Release, sequence: u64, version: &str) -> Utf8PathBuf {
    let driver = driver(kit, version);
    kit.bytes("unlock/lib.so", "an unlock library\n");
    kit.bytes("unlock/source.tar.zst", "sources\n");
    kit.content(
        "unlock/source.tar.zst",
        json!({ "kind": "tree", "unpacked": 10, "window-log": 20 }),
    );
    kit.bytes("apt/InRelease", "evidence\n");
    let database = database::write(&Catalog::embedded(), &[]).unwrap();
    kit.bytes("catalog.db", database);
    kit.content("catalog.db", json!({ "kind": "catalog" }));
    kit.bundle(sequence, json!({
        "drivers": [driver],
        "archives": [archive("main", release.codename(), "apt/InRelease")],
        "unlock": [{
            "source": "unlock/source.tar.zst",
            "commit": "71ec870".repeat(6)[..40],
            "library": "mbilker",
            "built": { "item": "unlock/lib.so", "glibc": "2.31" },
        }],
        "wants": {
            "iommu": "on",
            "kernel-words": ["quiet"],
            "modprobe": ["blacklist nouveau", "options nouveau modeset=0"],
            "overrides": { "profile": { "nvidia-259": { "num_displays": 1, "vgpu_type": "NVS" } } },
        },
    }))
}

fn each(body: impl Fn(Release, Site, Kit)) {
    let Some(roots) = Roots::open() else { return };
    for release in [Release::Debian12, Release::Debian13] {
        let layer = Layer { name: "driver", packages: &TOOLS };
        let Some(pristine) = roots.layered(release, layer) else { return };
        let root = pristine.fresh();
        furnish(&root);
        let kit = Kit::new();
        let site = Site::new(root, &kit).with_wrapper(MACHINE);
        body(release, site, kit);
    }
}

#[test]
fn a_card_is_unlocked_over_a_reboot_and_all_of_it_taken_back() {
    with_own_mounts(
        "node::driver::a_card_is_unlocked_over_a_reboot_and_all_of_it_taken_back",
        || {
            each(|release, site, mut kit| {
                let kernel = kernel(&site.root);
                site.insert(&bundle(&mut kit, release, 1, "535.230.02"));
                let before = site.root.snapshot(&MAY_DIFFER);
                let said = site.apply(10);
                assert!(said.err.contains("the first part is done"), "{}", said.err);
                assert!(!site.root.at("/usr/bin/nvidia-smi").exists());

                site.root.write("/root/proc/boot_id", "second\n");
                let said = site.run(&["apply", "--resume"], 0);
                assert!(
                    said.err.contains("install the driver 535.230.02, patched"),
                    "{}",
                    said.err
                );
                let dkms = site.root.run(&["dkms", "status"]).out;
                assert!(dkms.contains(&format!("nvidia/535.230.02, {kernel}")), "{dkms}");
                // The module says of what it was built: of the patched blob and source.
                let source = site.root.run(&["cat", "/usr/src/nvidia-535.230.02/nvidia/nv.c"]).out;
                assert!(source.contains("static bool unlocked = true;"), "{source}");
                let blob =
                    fs::read(site.root.at("/usr/src/nvidia-535.230.02/nvidia/nv-kernel.o_binary"));
                let blob = vgpu_manifest::Digest::of(&blob.unwrap());
                assert_ne!(
                    blob,
                    vgpu_manifest::Digest::of(
                        &fs::read(kit.path("tree-535.230.02/kernel/nvidia/nv-kernel.o_binary"))
                            .unwrap()
                    )
                );
                for (path, text) in [
                    ("/etc/vgpu_unlock/config.toml", "unlock = true\n"),
                    (
                        "/etc/systemd/system/nvidia-vgpud.service.d/vgpu-offline.conf",
                        "LD_PRELOAD=/opt/vgpu_unlock-rs/target/release/libvgpu_unlock_rs.so",
                    ),
                    (
                        "/etc/vgpu_unlock/profile_override.toml",
                        "[profile.nvidia-259]\nnum_displays = 1\nvgpu_type = \"NVS\"\n",
                    ),
                    (
                        "/opt/vgpu_unlock-rs/target/release/libvgpu_unlock_rs.so",
                        "an unlock library\n",
                    ),
                ] {
                    let is = fs::read_to_string(site.root.at(path)).unwrap();
                    assert!(is.contains(text), "{path}: {is}");
                }
                let said = site.run(&["status"], 0).out;
                for line in [
                    &format!("good      module       535.230.02 is built for {kernel}, which runs"),
                    "good      preload      both daemons were started with the library",
                    "0000:81:00.0  nvidia-259  GRID RTX6000-4Q  4096M        6",
                    "mdev=nvidia-259",
                ] {
                    assert!(said.contains(line), "{line}:\n{said}");
                }

                // The bar is a second. Other work on the machine cannot make it faster, so the best of
                // some runs counts, and this is a debug build.
                let time = || {
                    let begun = Instant::now();
                    site.run(&["status"], 0);
                    begun.elapsed()
                };
                let best = (0..5).map(|_| time()).min().unwrap();
                eprintln!("{}: `status` of a finished host took {best:?}", release.codename());
                assert!(best < Duration::from_secs(4), "{best:?}");

                // A later bundle with another driver exchanges them, and a revert brings the first back.
                site.insert(&bundle(&mut kit, release, 2, "550.163.02"));
                let said = site.apply(10);
                assert!(said.err.contains("instead of 535.230.02"), "{}", said.err);
                let dkms = site.root.run(&["dkms", "status"]).out;
                assert!(dkms.contains("550.163.02") && !dkms.contains("535.230.02"), "{dkms}");
                site.run(&["revert", "--yes"], 0);
                let dkms = site.root.run(&["dkms", "status"]).out;
                assert!(dkms.contains("535.230.02") && !dkms.contains("550.163.02"), "{dkms}");
                site.run(&["status"], 0);

                site.run(&["revert", "--yes"], 10);
                site.run(&["forget", "--yes"], 0);
                let after = site.root.snapshot(&MAY_DIFFER);
                let mut differences = before.differences(&after);
                differences.retain(|line| !derived(line));
                assert_eq!(differences, Vec::<String>::new(), "{}", release.codename());
            });
        },
    );
}

/// What is rebuilt and not put back, and why it may differ.
fn derived(line: &str) -> bool {
    // depmod's indexes are rebuilt for kernels that had none; this test's own files are not the
    // host's.
    line.contains("/modules.") || line.starts_with("root/proc/") || line.starts_with("mnt/")
}
