//! The driver's stand-in as the bundler describes it, and a node for it whose GPU exists only in
//! sysfs.

use std::fs;

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::{Value, json};
use vgpu_manifest::patch::Patch;
use vgpu_tests::kit::{Kit, kind};
use vgpu_tests::nvidia::StandIn;
use vgpu_tests::roots::Root;
use vgpu_tests::scratch::expect;

/// Runs the installer on the simulated machine that [`furnish`] describes.
pub(crate) const MACHINE: &str = include_str!("machine.sh");

/// The kernel whose headers are in the root.
pub(crate) fn kernel(root: &Root) -> String {
    let names = root.at("/lib/modules").read_dir_utf8().unwrap();
    names.map(|entry| entry.unwrap().file_name().to_owned()).max().unwrap()
}

/// Gives the root a Turing GPU, an AMD CPU, and Debian's kernel as the running one. A wrapper
/// mounts the machine's own files over `/proc` each time the installer runs.
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
    // Commands of systemd that keep their state in files: enough for `is-active`.
    root.write("/usr/local/sbin/systemctl", include_str!("systemctl.sh"));
    // Commands that would load the module into the machine's own kernel.
    root.write("/usr/local/sbin/modprobe", include_str!("modprobe.sh"));
    // Commands that rebuild derived state, and an empty journal.
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

/// Adds a driver and its patch to the bundle, as the bundler describes them.
pub(crate) fn driver(kit: &mut Kit, version: &str) -> [Value; 2] {
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
    let gpus = ["1e30", "1eb8", "2235"];
    let record = json!({ "version": version, "kind": "host", "config": config, "gpus": gpus });
    let patch_record = json!({ "driver": run, "file": files });
    [kind(&run, "driver", record), kind(&patch, "patch", patch_record)]
}

fn patched(tree: &Utf8Path, file: &vgpu_manifest::patch::FilePatch) -> Value {
    let path: Utf8PathBuf = tree.join(file.path().as_str());
    let mut new = Vec::new();
    let applied = file.apply(Some(&mut fs::File::open(path).unwrap()), &mut new).unwrap();
    json!({ "path": file.path(), "before": applied.before, "after": applied.after })
}
