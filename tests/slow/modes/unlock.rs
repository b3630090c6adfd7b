//! An unlocked GPU: patched driver, preloaded library, overrides.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use vgpu_manifest::Digest;
use vgpu_tests::kit::{Kit, kind};
use vgpu_tests::roots::{Release, with_own_mounts};

use super::bundle::{Content, Patched, packages, wants};
use super::machine::{Loader, Machine, PVE1, RTX_2080_TI};
use super::native::is_built;
use super::stage::{Stage, each, toolchain};

const OLD: &str = "535.230.02";
const NEW: &str = "550.163.02";

/// The path of the library, and the files next to it if it was built on the node.
const LIBRARY: &str = "/opt/vgpu_unlock-rs/target/release/libvgpu_unlock_rs.so";

#[test]
fn from_stock_to_an_unlocked_card_to_a_newer_driver_and_back() {
    with_own_mounts(
        "modes::unlock::from_stock_to_an_unlocked_card_to_a_newer_driver_and_back",
        || {
            let machine =
                |_| Machine { cards: &[RTX_2080_TI], loader: Loader::SystemdBoot, identity: PVE1 };
            each(&[Release::Debian12, Release::Debian13], machine, |release, roots, stage, kit| {
                stage.begin(&format!("unlock-debian{}", release.number()));
                let packages = packages(kit, &toolchain(roots, release));
                let unlock = ready(kit);
                let drivers = vec![OLD];
                let mut wants = wants();
                wants["overrides"] = json!({ "profile": { "nvidia-300": { "num_displays": 1, "vgpu_type": "NVS" } } });
                let content =
                    Content { release, drivers, patched: Patched::Yes, packages, unlock, wants };
                stage.site.insert(&content.bundle(kit, 1));
                stage.apply(&[], 10);
                let words = fs::read_to_string(stage.root().at("/etc/kernel/cmdline")).unwrap();
                assert_eq!(words, "root=ZFS=rpool/ROOT/pve-1 boot=zfs iommu=pt\n");
                assert!(stage.calls().contains("proxmox-boot-tool refresh"), "{}", stage.calls());
                let said = stage.reboot(0);
                assert!(said.contains(&format!("install the driver {OLD}, patched")), "{said}");
                is_built(stage, OLD);
                is_patched(stage, kit, OLD);
                is_unlocked(stage);
                says_all(stage, OLD);
                is_quick(stage);

                let newer = Content { drivers: vec![NEW], ..content };
                stage.site.insert(&newer.bundle(kit, 2));
                stage.apply(&[], 10);
                stage.reboot(0);
                is_built(stage, NEW);
                is_patched(stage, kit, NEW);
                is_unlocked(stage);
                says_all(stage, NEW);

                // After one revert, the older driver works again.
                stage.run(&["revert", "--yes"], 10);
                stage.reboot(0);
                is_built(stage, OLD);
                is_patched(stage, kit, OLD);
                is_unlocked(stage);
                says_all(stage, OLD);

                stage.run(&["revert", "--all", "--yes"], 10);
                stage.reboot(0);
                stage.run(&["forget", "--yes"], 0);
                stage.is_as_before();
            });
        },
    );
}

/// Returns a prebuilt library, for an old C library.
fn ready(kit: &mut Kit) -> Vec<Value> {
    kit.bytes("unlock/lib.so", "an unlock library\n");
    kit.bytes("unlock/source.tar.zst", "sources\n");
    let sources = json!({
        "commit": "71ec870".repeat(6)[..40],
        "library": "mbilker",
        "tree": { "unpacked": 10, "window-log": 20 },
    });
    let library = json!({ "source": "unlock/source.tar.zst", "glibc": "2.31" });
    vec![
        kind("unlock/source.tar.zst", "unlock-source", sources),
        kind("unlock/lib.so", "unlock-library", library),
    ]
}

/// Checks that the module was built from the patched files: it names the blob that it was built
/// from, and its parameter has the value from the patch.
fn is_patched(stage: &Stage, kit: &Kit, version: &str) {
    let root = stage.root();
    let sources = format!("/usr/src/nvidia-{version}/nvidia");
    let text = fs::read_to_string(root.at(&format!("{sources}/nv.c"))).unwrap();
    assert!(text.contains("static bool unlocked = true;"), "{text}");
    let blob = root.at(&format!("{sources}/nv-kernel.o_binary"));
    let original = kit.path(&format!("tree-{version}/kernel/nvidia/nv-kernel.o_binary"));
    assert_ne!(Digest::of(&fs::read(&blob).unwrap()), Digest::of(&fs::read(original).unwrap()));
    let sum = root.run(&["cksum", &format!("{sources}/nv-kernel.o_binary")]).out;
    let in_module = root.run(&["modinfo", "-k", &stage.kernel, "-F", "blob", "nvidia"]).out;
    assert_eq!(in_module.trim(), sum.split(' ').next().unwrap());
}

/// Checks that `status` confirms the whole installation, and lists the types for guests.
fn says_all(stage: &mut Stage, version: &str) {
    let built = format!(
        "good      module       {version} is built for the running kernel {}",
        stage.kernel
    );
    let said = stage.run(&["status"], 0).out;
    for line in [
        built.as_str(),
        "good      preload      both daemons were started with the library",
        "0000:81:00.0  nvidia-300  STANDIN RTX6000-4Q  4096M        6",
        "mdev=nvidia-300",
    ] {
        assert!(said.contains(line), "{line}:\n{said}");
    }
}

/// The limit for `status` is one second. Other load on the machine cannot make it faster, so the
/// best of several runs counts; this is a debug build.
fn is_quick(stage: &mut Stage) {
    let time = || {
        let begun = Instant::now();
        stage.site.run(&["status"], 0);
        begun.elapsed()
    };
    let best = (0..5).map(|_| time()).min().unwrap();
    stage.note(&format!("# the quickest of five runs of `status` took {best:?}\n"));
    assert!(best < Duration::from_secs(4), "{best:?}");
}

/// Checks that both daemons preload the library, which is configured to unlock.
fn is_unlocked(stage: &Stage) {
    for (path, text) in [
        ("/etc/vgpu_unlock/config.toml", "unlock = true\n".to_owned()),
        (
            "/etc/vgpu_unlock/profile_override.toml",
            "[profile.nvidia-300]\nnum_displays = 1\nvgpu_type = \"NVS\"\n\n".to_owned(),
        ),
        (
            "/etc/systemd/system/nvidia-vgpud.service.d/vgpu-offline.conf",
            format!("[Service]\nEnvironment=LD_PRELOAD={LIBRARY}\n"),
        ),
        (
            "/etc/systemd/system/nvidia-vgpu-mgr.service.d/vgpu-offline.conf",
            format!("[Service]\nEnvironment=LD_PRELOAD={LIBRARY}\n"),
        ),
    ] {
        assert_eq!(fs::read_to_string(stage.root().at(path)).unwrap(), text, "{path}");
    }
    assert!(stage.root().at(LIBRARY).is_file());
}
