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

/// The lines about the mapping of the native GPU, on a node of this release whose cluster has this
/// list of mappings.
fn mapping_lines(release: &str, list: &str) -> Vec<String> {
    let mut scene = Scene::native();
    let package = "Package: pve-manager\nStatus: install ok installed\nArchitecture: amd64";
    scene.host.place("/var/lib/dpkg/status", &format!("{package}\nVersion: {release}\n"));
    scene.host.place("/etc/pve/mapping/pci.cfg", list);
    let proof = scene.prove();
    let mut lines = assignment(&scene.host, &proof.types).unwrap().lines;
    assert_eq!(
        lines.pop().unwrap(),
        "qm set VMID --hostpci0 mapping=vgpu-0000-c1-00-0,mdev=nvidia-557"
    );
    lines
}

/// The devices of the native node, as its command and as the list of mappings have them.
const OURS: [&str; 2] = [
    "node=pve1,path=0000:c1:00.4,id=10de:2235,subsystem-id=10de:145a,iommugroup=70",
    "node=pve1,path=0000:c1:00.5,id=10de:2235,subsystem-id=10de:145a,iommugroup=71",
];
const LISTED: &str = "\
\tmap id=10de:2235,iommugroup=70,node=pve1,path=0000:c1:00.4,subsystem-id=10de:145a
\tmap id=10de:2235,iommugroup=71,node=pve1,path=0000:c1:00.5,subsystem-id=10de:145a
";

#[test]
fn the_mapping_of_another_node_gets_the_devices_of_this_one() {
    let [a, b] = OURS;
    let create = format!(
        "pvesh create /cluster/mapping/pci --id vgpu-0000-c1-00-0 --mdev 1 --map {a} --map {b}"
    );
    let add = "# for live migration between nodes, add: --live-migration-capable 1";
    assert_eq!(mapping_lines("8.3.5", ""), [create.as_str()]);
    assert_eq!(mapping_lines("8.4.1", ""), [create.as_str(), add]);
    assert_eq!(mapping_lines("9.2.11", &format!("other\n{LISTED}\tmdev 1\n")), [&create, add]);

    // What an identical second node finds after the first; its own stale device is replaced, and a
    // text that a shell would split is quoted.
    let other = "id=10de:2235,iommugroup=70,node=pve2,path=0000:c1:00.4;0000:c1:00.5";
    let stale = "id=10de:1eb8,node=pve1,path=0000:c1:00.4";
    let set = "pvesh set /cluster/mapping/pci/vgpu-0000-c1-00-0 --mdev 1";
    let list = format!("vgpu-0000-c1-00-0\n\tmap {other}\n\tmap {stale}\n\tmdev 1\n");
    let expected = format!("{set} --map '{other}' --map {a} --map {b}");
    assert_eq!(mapping_lines("9.2.11", &list), [&expected, add]);
    let list = format!("{list}\tlive-migration-capable 1\n");
    assert_eq!(mapping_lines("9.2.11", &list), [expected]);
}

#[test]
fn a_mapping_that_has_the_devices_of_this_node_needs_no_command() {
    let list = format!("vgpu-0000-c1-00-0\n{LISTED}\tmdev 1\n");
    let there = "# already there: the mapping vgpu-0000-c1-00-0 with these devices";
    assert_eq!(mapping_lines("8.2.2", &list), [there]);
    let migration = mapping_lines("8.4.1", &list).pop().unwrap();
    assert!(migration.starts_with("# for live migration: pvesh set /cluster/"), "{migration}");
    assert!(migration.ends_with("iommugroup=71,node=pve1,path=0000:c1:00.5,subsystem-id=10de:145a --live-migration-capable 1"), "{migration}");
    let capable = format!("{list}\tlive-migration-capable 1\n");
    assert_eq!(mapping_lines("8.4.1", &capable), [there]);
    // Without `mdev`, Proxmox VE offers no types of the mapping.
    let without = format!("vgpu-0000-c1-00-0\n{LISTED}");
    assert!(mapping_lines("8.2.2", &without)[0].starts_with("pvesh set "));
}
