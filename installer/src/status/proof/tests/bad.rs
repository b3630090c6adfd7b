use super::scene::{Scene, device, gpu, link};
use super::*;
use crate::facts::CERTIFICATE;
use crate::step::LIBRARY;

/// Breaks one thing in a scene and expects exactly this check to fail, with this reason and
/// remedy.
#[track_caller]
fn finds(scene: &Scene, check: Check, reason: &str, remedy: &str) {
    let proof = scene.prove();
    let all: Vec<_> = proof.missing().collect();
    let [(found, says, does)] = all.as_slice() else { panic!("{all:#?}") };
    assert_eq!(*found, check);
    assert!(says.contains(reason), "{says}");
    assert!(does.contains(remedy), "{does}");
}

type Spoil = fn(&mut Scene);

fn spoilt(mut scene: Scene, spoil: Spoil) -> Scene {
    assert!(scene.prove().holds());
    spoil(&mut scene);
    scene
}

#[test]
fn a_module_that_is_not_built_for_the_running_kernel_is_missed_for_both_boots() {
    let cases: [(Spoil, &str, &str); 4] = [
        (
            |it| it.say("dkms", "nvidia, 535.230.02: added\n"),
            "DKMS has not built it",
            "dkms install nvidia/535.230.02 -k 6.5.13-6-pve",
        ),
        (
            |it| it.say("dkms", "nvidia/535.230.02, 6.5.13-6-pve, x86_64: built\n"),
            "DKMS has built it but not installed it",
            "apply the bundle again",
        ),
        (
            |it| it.say("dkms", "nvidia/535.230.02, 6.5.13-6-pve, x86_64: broken\n"),
            "DKMS reports it as broken",
            "apply the bundle again",
        ),
        (
            |it| it.without("/lib/modules/6.5.13-6-pve/updates"),
            "the file is missing",
            "dkms install --force",
        ),
    ];
    for (spoil, reason, remedy) in cases {
        let scene = spoilt(Scene::unlocked(), spoil);
        let proof = scene.prove();
        let all: Vec<_> = proof.missing().collect();
        assert_eq!(
            all.iter().map(|(check, ..)| *check).collect::<Vec<_>>(),
            [Check::Module, Check::NextKernel]
        );
        for (_, says, does) in all {
            assert!(says.contains(reason) && says.contains("6.5.13-6-pve"), "{says}");
            assert!(does.contains(remedy), "{does}");
        }
    }
}

#[test]
fn a_newer_kernel_without_a_module_is_named_with_what_keeps_the_host_going() {
    let mut scene = Scene::native();
    scene.install_kernel("6.17.13-1-pve");
    finds(
        &scene,
        Check::NextKernel,
        "6.17.13-1-pve boots next and has no module 580.105.06: its headers are missing",
        "make a bundle with the headers of 6.17.13-1-pve on the laptop; until then, keep booting the last kernel with a module: `proxmox-boot-tool kernel pin 6.14.11-2-pve`",
    );
    scene.install_headers("6.17.13-1-pve");
    finds(&scene, Check::NextKernel, "DKMS has not built it", "apply the bundle again");
    scene.host.place("/etc/kernel/proxmox-boot-pin", "6.11.11-2-pve\n");
    scene.host.place("/etc/kernel/proxmox-boot-uuids", "1234-ABCD\n");
    finds(
        &scene,
        Check::NextKernel,
        "6.11.11-2-pve is pinned and boots next, but is not installed",
        "`proxmox-boot-tool kernel pin 6.14.11-2-pve`",
    );
    // The one-shot boot entry takes precedence.
    let mut scene = Scene::native();
    scene.install_kernel("6.8.12-4-pve");
    scene.install_headers("6.8.12-4-pve");
    assert!(scene.prove().holds());
    scene.host.place("/etc/kernel/next-boot-pin", "6.8.12-4-pve\n");
    finds(&scene, Check::NextKernel, "6.8.12-4-pve boots next", "");
}

#[test]
fn a_signature_that_the_firmware_does_not_take() {
    finds(
        &spoilt(Scene::native(), |it| it.say("modinfo", "\n")),
        Check::Signature,
        "updates/dkms/nvidia.ko is not signed",
        "apply the bundle again",
    );
    finds(
        &spoilt(Scene::native(), |it| it.host.place(CERTIFICATE, "another")),
        Check::Signature,
        "which is not enrolled",
        "to request the enrollment",
    );
}

#[test]
fn a_module_that_is_not_loaded_or_another() {
    let unload: Spoil = |it| {
        it.host.place("/proc/modules", "vfio 1 0 - Live 0x0\n");
        it.without("/sys/module/nvidia");
    };
    finds(
        &spoilt(Scene::native(), unload),
        Check::Loaded,
        "the module is not loaded",
        "modprobe nvidia",
    );
    let nouveau: Spoil = |it| {
        it.host.place("/proc/modules", "nouveau 1 0 - Live 0x0\n");
        it.without("/sys/module/nvidia");
    };
    finds(&spoilt(Scene::native(), nouveau), Check::Loaded, "nouveau uses the GPU", "reboot");
    let passthrough: Spoil = |it| {
        it.host.place("/proc/modules", "vfio_pci 1 0 - Live 0x0\n");
        it.without("/sys/module/nvidia");
        link(&mut it.host, &format!("{}/driver", device("0000:c1:00.0")), "../drivers/vfio-pci");
    };
    let mut scene = spoilt(Scene::native(), passthrough);
    let loaded = |scene: &Scene| {
        let proof = scene.prove();
        let mut missing = proof.missing().filter(|(check, ..)| *check == Check::Loaded);
        missing.next().map(|(_, says, does)| format!("{says}; {does}")).unwrap()
    };
    let held = "the module is not loaded: vfio-pci holds 0000:c1:00.0; ";
    assert!(loaded(&scene).starts_with(&format!("{held}shut down guests that use the GPU")));
    scene.host.place("/etc/modprobe.d/vfio.conf", "options vfio-pci ids=10de:2235\n");
    let remedy = "remove `options vfio-pci ids=10de:2235` in /etc/modprobe.d/vfio.conf, line 1, \
        run `update-initramfs -u -k all`, and reboot";
    assert_eq!(loaded(&scene), format!("{held}{remedy}"));
    // Loading the module by hand would not help, so nothing says so.
    scene.say("nvidia-smi", "it couldn't communicate with the NVIDIA driver.\n");
    assert!(!scene.transcript().contains("modprobe nvidia"), "{}", scene.transcript());
    let other: Spoil = |it| it.host.place("/sys/module/nvidia/version", "535.230.02\n");
    finds(
        &spoilt(Scene::native(), other),
        Check::Loaded,
        "535.230.02 is loaded, but 580.105.06",
        "reboot",
    );
    let loading: Spoil = |it| it.host.place("/proc/modules", "nvidia 1 0 - Loading 0x0\n");
    finds(&spoilt(Scene::native(), loading), Check::Loaded, "still being loaded", "dmesg");
}

#[test]
fn a_tool_that_reaches_nothing() {
    let spoil: Spoil = |it| {
        it.say(
            "nvidia-smi",
            "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\n",
        );
    };
    finds(
        &spoilt(Scene::unlocked(), spoil),
        Check::Tool,
        "cannot reach the driver",
        "modprobe nvidia",
    );
    let spoil: Spoil = |it| it.say("nvidia-smi", "No supported devices in vGPU mode\n");
    finds(&spoilt(Scene::native(), spoil), Check::Tool, "no vGPU-capable GPU", "display mode");
    let spoil: Spoil = |it| {
        let _ = it.host.programs.remove("nvidia-smi");
    };
    finds(&spoilt(Scene::native(), spoil), Check::Tool, "is missing", "apply the bundle again");
}

#[test]
fn a_daemon_that_is_down() {
    let replace = |it: &mut Scene, from: &str, to: &str| {
        let text = it.host.text_of("/run/says/systemctl").unwrap();
        assert!(text.contains(from));
        it.say("systemctl", &text.replace(from, to));
    };
    let mut scene = Scene::native();
    replace(&mut scene, "ActiveState=active", "ActiveState=failed");
    replace(&mut scene, "Result=success\nMainPID=812", "Result=exit-code\nMainPID=0");
    finds(
        &scene,
        Check::Services,
        "nvidia-vgpu-mgr.service is failed (exit-code)",
        "journalctl -u nvidia-vgpu-mgr.service",
    );
    // The first daemon may have exited, but must have been started.
    let mut scene = Scene::native();
    replace(&mut scene, "InvocationID=aa01", "InvocationID=");
    finds(&scene, Check::Services, "nvidia-vgpud.service is inactive", "systemctl restart");
    let mut scene = Scene::native();
    replace(
        &mut scene,
        "LoadState=loaded\nActiveState=inactive",
        "LoadState=masked\nActiveState=inactive\nX=",
    );
    replace(&mut scene, "InvocationID=aa01", "InvocationID=");
    finds(&scene, Check::Services, "nvidia-vgpud.service is masked", "apply the bundle again");
}

#[test]
fn a_daemon_that_starts_is_waited_for_and_one_that_failed_is_not() {
    let with = |active: &str| {
        let mut scene = Scene::native();
        let text = scene.host.text_of("/run/says/systemctl").unwrap();
        scene.say("systemctl", &text.replace("ActiveState=active", active));
        scene.without(&format!("{}/nvidia", device("0000:c1:00.4")));
        scene.without(&format!("{}/nvidia", device("0000:c1:00.5")));
        scene
    };
    assert!(!Scene::native().prove().may_come(), "nothing is missing");
    assert!(!with("ActiveState=failed").prove().may_come());
    let mut scene = with("ActiveState=activating");
    let mut proof = scene.prove();
    assert!(proof.may_come());

    // Another round asks only what may have changed.
    let before = Scene::native();
    scene.host.nodes = before.host.nodes.clone();
    scene.host.programs.insert("dkms", |_, _| panic!("DKMS was asked again"));
    scene.host.programs.insert("nvidia-smi", |_, _| panic!("the tool was asked again"));
    prove_announced(&scene.host, &scene.expected, &mut proof).unwrap();
    assert_eq!(proof, before.prove());
}

#[test]
fn a_library_that_is_not_in_the_daemons() {
    let spoil: Spoil = |it| it.without(LIBRARY);
    finds(
        &spoilt(Scene::unlocked(), spoil),
        Check::Preload,
        "the unlock library is missing",
        "apply",
    );
    let spoil: Spoil = |it| {
        let line = format!(
            "ERROR: ld.so: object '{LIBRARY}' from LD_PRELOAD cannot be preloaded (cannot open shared object file): ignored.\n"
        );
        it.say("journalctl", &line);
    };
    finds(
        &spoilt(Scene::unlocked(), spoil),
        Check::Preload,
        "the journal has: ERROR: ld.so",
        "glibc",
    );
    let spoil: Spoil =
        |it| it.host.place("/proc/812/maps", "7f00-7f01 r-xp 0 08:01 7 /usr/bin/nvidia-vgpu-mgr\n");
    finds(
        &spoilt(Scene::unlocked(), spoil),
        Check::Preload,
        "runs without the library",
        "systemctl restart",
    );
    for (from, to) in
        [("NeedDaemonReload=no", "NeedDaemonReload=yes"), ("LD_PRELOAD=/opt", "LD_PRELOAD=/other")]
    {
        let mut scene = Scene::unlocked();
        let text = scene.host.text_of("/run/says/systemctl").unwrap();
        scene.say("systemctl", &text.replace(from, to));
        finds(
            &scene,
            Check::Preload,
            "systemd does not preload the library",
            "systemctl daemon-reload",
        );
    }
}

#[test]
fn virtual_functions_that_are_not_all_there() {
    let spoil: Spoil =
        |it| it.host.place(&format!("{}/sriov_numvfs", device("0000:c1:00.0")), "1\n");
    finds(
        &spoilt(Scene::native(), spoil),
        Check::Functions,
        "0000:c1:00.0 has 1 of 2 virtual functions",
        "vgpu-installer sriov",
    );
    let spoil: Spoil = |it| it.without(&device("0000:c1:00.5"));
    finds(
        &spoilt(Scene::native(), spoil),
        Check::Functions,
        "2 of 2 virtual functions, but 1 exist",
        "journalctl -k",
    );
    let spoil: Spoil = |it| it.without(&format!("{}/sriov_totalvfs", device("0000:c1:00.0")));
    let scene = spoilt(Scene::native(), spoil);
    let missing: Vec<_> = scene.prove().missing().map(|(check, ..)| check).collect();
    assert_eq!(missing, [Check::Functions, Check::Types]);
}

#[test]
fn types_that_no_gpu_offers() {
    let spoil: Spoil = |it| it.without(&format!("{}/mdev_supported_types", device("0000:81:00.0")));
    finds(
        &spoilt(Scene::unlocked(), spoil),
        Check::Types,
        "neither `mdev_supported_types` nor",
        "nvidia_vgpu_vfio",
    );
    let spoil: Spoil = |it| {
        for address in ["0000:c1:00.4", "0000:c1:00.5"] {
            it.host.place(
                &format!("{}/nvidia/creatable_vgpu_types", device(address)),
                "ID : vGPU Name\n",
            );
        }
    };
    finds(
        &spoilt(Scene::native(), spoil),
        Check::Types,
        "lists no type",
        "systemctl restart nvidia-vgpud",
    );
}

#[test]
fn a_gpu_that_offers_nothing_beside_one_that_does() {
    let served = ["0000:81:00.0", "0000:c2:00.0"].map(|it| it.parse().unwrap());
    let spoil: Spoil = |it| {
        gpu(&mut it.host, "0000:c2:00.0", "0x1e07");
        it.expected.gpus = ["0000:81:00.0", "0000:c2:00.0"].map(|it| it.parse().unwrap()).into();
    };
    let scene = spoilt(Scene::unlocked(), spoil);
    finds(&scene, Check::Types, "2 offered, but none by 0000:c2:00.0", "nvidia-smi vgpu");
    // No type is available because guests use all of them.
    let mut scene = scene;
    let folder = format!("{}/nvidia", device("0000:c2:00.0"));
    scene.host.place(&format!("{folder}/creatable_vgpu_types"), "");
    scene.host.place(&format!("{folder}/current_vgpu_type"), "557\n");
    assert_eq!(scene.prove().missing().count(), 0, "{:?}", scene.prove());
    // The other GPU is not used for vGPU.
    scene.without(&folder);
    scene.expected.gpus.remove(&served[1]);
    assert_eq!(scene.prove().missing().count(), 0, "{:?}", scene.prove());
}

#[test]
fn all_that_is_missing_is_told_with_what_to_do() {
    let mut scene = Scene::unlocked();
    scene.say("dkms", "");
    scene.say("systemctl", "");
    scene.without("/sys/module/nvidia");
    scene.without("/proc/modules");
    scene.without(&format!("{}/mdev_supported_types", device("0000:81:00.0")));
    scene.say("nvidia-smi", "\u{1b}[2J odd\n");
    let transcript = scene.transcript();
    assert_eq!(transcript, include_str!("golden/broken.txt"), "the transcript is:\n{transcript}");
}
