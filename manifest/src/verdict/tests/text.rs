//! A verdict as text and as JSON.

use super::CATALOG;
use crate::verdict::{Case, judge};

fn case(gpu: &str, driver: &str, kernel: &str) -> Case {
    let mut case = Case::new(gpu.parse().unwrap(), driver.parse().unwrap());
    case.target.kernel = Some(kernel.parse().unwrap());
    case
}

/// Returns the text without evidence.
fn plain(case: &Case) -> String {
    judge(&CATALOG, case).to_string()
}

#[test]
fn an_unsuitable_case_is_a_reason_its_evidence_and_what_to_do_instead() {
    let verdict = judge(&CATALOG, &case("10de:1e07", "16.3", "6.5.13-6-pve"));
    assert_eq!(
        format!("{verdict:#}"),
        "\
unsuitable: GeForce RTX 2080 Ti Rev. A (10de:1e07, turing)
  because     no unlock patch exists for vGPU 16.3 (535.154.02) [1 2 3 4 5 6]
  instead     use vGPU 16.4 (unlock)
  instead     pass the GPU through to one guest
  [1]         NVIDIA/product-security, bulletins 2023 to 2026, lines `Virtual GPU Manager`: the host, Linux guest and Windows guest versions of the vGPU releases 13.6 to 20.1 (stated)
  [2]         anomixer/proxmox-vgpu-installer v1.84 (abe9ff9), driver registry; MD5s in v1.1 to v1.75: host file names of 16.0 to 20.1, and MD5s for most of them (read)
  [3]         GreenDamTan/vgpu-proxmox_mirror 74f3de8 and the other mirrors of polloloco/vgpu-proxmox: no 535.154.02.patch exists (read)
  [4]         anomixer/proxmox-vgpu-installer v1.84, driver_patches.json: the patch of 16.3 is 535.154.02.patch (read)
  [5]         anomixer/proxmox-vgpu-installer v1.84 (abe9ff9), guest driver list: the file names of the Linux and Windows guest drivers (read)
  [6]         preambles of the patches of polloloco/vgpu-proxmox: each patch is for exactly one driver version (read)
"
    );
}

#[test]
fn every_number_of_a_text_stands_for_something() {
    for driver in CATALOG.drivers() {
        let case = case("10de:1e07", &driver.release.to_string(), "6.8.12-43-pve");
        let text = format!("{:#}", judge(&CATALOG, &case));
        let stand = text.lines().filter(|line| line.starts_with("  [")).count();
        let named = text.lines().filter(|line| !line.starts_with("  ["));
        let numbers = named.filter_map(|line| line.strip_suffix(']')?.rsplit_once('['));
        let numbers = numbers.flat_map(|(_, numbers)| numbers.split(' '));
        let highest = numbers.map(|number| number.parse::<usize>().unwrap()).max();
        assert_eq!(highest, Some(stand), "{text}");
    }
}

#[test]
fn a_suitable_case_is_a_recipe() {
    assert_eq!(
        plain(&case("10de:1e07", "16.9", "6.8.12-43-pve")),
        "\
unlock, unverified: GeForce RTX 2080 Ti Rev. A (10de:1e07, turing)
  unverified  vGPU 16.9 needs `enable_apicv`, which kernel 6.8.12-43-pve may not export
  decided by  Module.symvers of the bundled headers
  driver      vGPU 16.9, NVIDIA-Linux-x86_64-535.230.02-vgpu-kvm.run, patched
  arguments   --dkms -s
  modules     proprietary
  guests      Linux 535.230.02, Windows 539.19
  shown as    Quadro RTX 6000, by the library mbilker
  packages    dkms gcc make proxmox-headers-6.8.12-43-pve proxmox-headers-6.8 mdevctl proxmox-kernel-6.8.12-43-pve
  kernel      iommu=pt
  modprobe    blacklist nouveau, options nouveau modeset=0
  reboot      to apply kernel parameters, to release the GPU from the host's graphics drivers
  note        Intel processors also need intel_iommu=on
  note        the headers package must follow the kernel; otherwise DKMS silently skips the module for the next kernel
  note        NVIDIA supports 16.x (R535) until July 2026
  note        NVIDIA security bulletin 5861 of 2026-09-30: 16.x gets no fix
"
    );
}

#[test]
fn json_says_the_same() {
    let good = judge(&CATALOG, &case("10de:1e07", "16.9", "6.8.12-43-pve"));
    let json = serde_json::to_value(&good).unwrap();
    assert_eq!(json["verdict"], "suitable");
    assert_eq!(json["mode"], "unlock");
    assert_eq!(json["state"], "unproven");
    assert_eq!(json["doubts"][0]["rule"], "apicv");
    assert_eq!(json["driver"]["driver"]["host"], "535.230.02");
    assert_eq!(json["driver"]["args"], serde_json::json!(["--dkms", "-s"]));
    assert_eq!(json["unlock"]["shown-as"]["card"], "10de:1e30/10de:12ba");
    let bad = judge(&CATALOG, &case("10de:15f8", "20.0", "7.0.14-14-pve"));
    let json = serde_json::to_value(&bad).unwrap();
    assert_eq!(json["verdict"], "unsuitable");
    assert_eq!(json["reason"]["rule"], "other-releases");
    assert_eq!(json["nearest"][0]["changes"][0]["change"], "driver");
    assert_eq!(json["nearest"][0]["changes"][0]["to"], "16.14");
}
