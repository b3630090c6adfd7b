use super::scene::Scene;
use super::*;

/// Compares a transcript with the golden file. The files are edited by hand, so that no run can
/// accept its own output.
fn assert_is(transcript: &str, golden: &str) {
    assert_eq!(transcript, golden, "the transcript is:\n{transcript}");
}

#[test]
fn an_unlocked_card_with_mediated_devices() {
    let scene = Scene::unlocked();
    assert!(scene.prove().holds());
    assert_is(&scene.transcript(), include_str!("golden/unlocked.txt"));
}

#[test]
fn a_native_card_with_virtual_functions_and_secure_boot() {
    let scene = Scene::native();
    assert!(scene.prove().holds());
    assert_is(&scene.transcript(), include_str!("golden/native.txt"));
}

#[test]
fn vgpus_in_use_are_no_lack() {
    let mut scene = Scene::native();
    for address in ["0000:c1:00.4", "0000:c1:00.5"] {
        let folder = format!("{}/nvidia", scene::device(address));
        scene.host.place(&format!("{folder}/current_vgpu_type"), "560\n");
        scene.host.place(&format!("{folder}/creatable_vgpu_types"), "");
    }
    let proof = scene.prove();
    assert!(proof.holds());
    assert!(scene.transcript().contains("0 offered; vGPUs in use: 2"));
}

#[test]
fn a_newer_kernel_behind_a_pin_is_only_spoken_of() {
    let mut scene = Scene::native();
    scene.install_kernel("6.17.13-1-pve");
    scene.install_headers("6.17.13-1-pve");
    scene.host.place("/etc/kernel/proxmox-boot-pin", "6.14.11-2-pve\n");
    assert!(scene.prove().holds());
    assert!(
        scene.transcript().contains("it is pinned, because the newer 6.17.13-1-pve has no module")
    );
}

#[test]
fn without_a_driver_nothing_is_asked() {
    let expected = Expected::of([]);
    let proof = prove(&Scene::native().host, &expected).unwrap();
    assert_eq!(proof, Proof::default());
    assert!(proof.holds());
}

#[test]
fn before_resource_mappings_a_guest_gets_the_device_itself() {
    let mut scene = Scene::unlocked();
    scene.host.place(
        "/var/lib/dpkg/status",
        "Package: pve-manager\nStatus: install ok installed\nArchitecture: amd64\nVersion: 7.4-17\n",
    );
    let transcript = scene.transcript();
    assert!(
        transcript.contains("  qm set VMID --hostpci0 0000:81:00.0,mdev=nvidia-256\n"),
        "{transcript}"
    );
    assert!(!transcript.contains("pvesh"), "{transcript}");
}
