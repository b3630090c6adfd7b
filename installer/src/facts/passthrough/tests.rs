use super::*;
use crate::host::testing::MemHost;

const T4: &str = "0000:81:00.0";
const A2: &str = "0000:c1:00.0";
const CONF: &str = "/etc/modprobe.d/vfio.conf";

fn gpu(address: &str, id: &str, driver: Option<&str>) -> Gpu {
    let gpu = serde_json::json!({
        "address": address, "id": id, "class": "030200", "driver": driver, "iommu-group": null,
        "boot-display": false, "bars": [], "sr-iov": null, "vgpu": null,
    });
    serde_json::from_value(gpu).unwrap()
}

fn on(host: &MemHost, gpus: &[Gpu]) -> Vec<Leftover> {
    look(&Reader::new(host), gpus)
}

/// Returns the leftovers of a node with a T4 and an A2, in words.
fn found(files: &[(&str, &str)]) -> Vec<String> {
    let gpus = [gpu(T4, "10de:1eb8/10de:12a2", None), gpu(A2, "10de:25b6", None)];
    let words = |leftover: Leftover| {
        let kind = leftover.kind.as_str();
        let among = leftover.line.as_ref().map_or("", |line| match line.among {
            Among::Leftovers => ", only such lines",
            Among::Others => ", among others",
        });
        let gpus = leftover.gpus.iter().map(ToString::to_string);
        let about: Vec<_> = [kind.to_owned()].into_iter().chain(gpus).collect();
        format!("{}: {leftover}{among}", about.join(" "))
    };
    on(&MemHost::with_files(files), &gpus).into_iter().map(words).collect()
}

#[test]
fn ids_for_vfio_pci_name_the_gpus_that_they_take() {
    let file = "# the T4\noptions vfio-pci ids=10de:1eb8,10de:10f0 disable_vga=1\n\
                softdep nouveau pre: vfio-pci\nsoftdep nvidia pre: vfio-pci\n";
    let expected = [
        "vfio-ids 0000:81:00.0: `options vfio-pci ids=10de:1eb8,10de:10f0 disable_vga=1` in /etc/modprobe.d/vfio.conf, line 2, only such lines",
        "vfio-softdep: `softdep nvidia pre: vfio-pci` in /etc/modprobe.d/vfio.conf, line 4, only such lines",
    ];
    assert_eq!(found(&[(CONF, file)]), expected);
    let both = "options vfio_pci ids=10de:25b6:1028:157e,10DE:1EB8\n";
    assert_eq!(found(&[(CONF, both)]).len(), 1);
    assert!(found(&[(CONF, both)])[0].starts_with("vfio-ids 0000:81:00.0 0000:c1:00.0: "));
    // A network card, and a GPU that this node does not have.
    for other in ["8086:1533", "10de:1b80", "", ",", "10de"] {
        assert!(found(&[(CONF, &format!("options vfio-pci ids={other}\n"))]).is_empty(), "{other}");
    }
    let shared = found(&[(CONF, "options vfio-pci ids=10de:1eb8,8086:1533\n")]);
    assert!(shared[0].ends_with("line 1, among others"), "{shared:?}");
}

#[test]
fn lines_that_keep_the_driver_from_loading_are_named() {
    let lines = [
        ("blacklist nvidia", "nvidia-blacklist"),
        ("blacklist nvidia-vgpu-vfio", "nvidia-blacklist"),
        ("install nvidia /bin/false", "nvidia-install"),
        ("install nvidia /usr/bin/true", "nvidia-install"),
    ];
    for (line, kind) in lines {
        let alone = found(&[(CONF, &format!("{line}\n"))]);
        assert_eq!(alone, [format!("{kind}: `{line}` in {CONF}, line 1, only such lines")]);
        let among = found(&[(CONF, &format!("blacklist nouveau\n{line}\n"))]);
        assert_eq!(among, [format!("{kind}: `{line}` in {CONF}, line 2, among others")]);
    }
    let among = "softdep nvidia pre: i2c_core vfio-pci post: nvidia-uvm";
    let expected = format!("vfio-softdep: `{among}` in {CONF}, line 1, among others");
    assert_eq!(found(&[(CONF, among)]), [expected]);
    for harmless in [
        "softdep nvidia pre: i2c_core post: vfio-pci",
        "# blacklist nvidia",
        "blacklist nvidiafb",
        "blacklist nvidia_drm",
        "blacklist nouveau",
        "options nvidia NVreg_EnableGpuFirmware=0",
        "install nvidia /sbin/modprobe --ignore-install nvidia",
        "softdep nvidia post: nvidia-uvm",
        "blacklist",
    ] {
        assert!(found(&[(CONF, harmless)]).is_empty(), "{harmless}");
    }
}

#[test]
fn only_files_that_modprobe_reads_count_and_not_our_own() {
    let line = "blacklist nvidia\n";
    for path in ["/etc/modprobe.d/x.conf.bak", "/etc/modprobe.d/vgpu-offline.conf"] {
        assert!(found(&[(path, line)]).is_empty(), "{path}");
    }
    assert_eq!(found(&[("/lib/modprobe.d/x.conf", line)]).len(), 1);
    let masked = [("/lib/modprobe.d/x.conf", line), ("/etc/modprobe.d/x.conf", "# nothing\n")];
    assert!(found(&masked).is_empty());
}

#[test]
fn kernel_parameters_are_named_with_the_file_that_sets_them() {
    let line = "BOOT_IMAGE=/vmlinuz password=x vfio-pci.ids=10de:1eb8 modprobe.blacklist=a,nvidia";
    let of_boot = [
        "vfio-ids 0000:81:00.0: `vfio-pci.ids=10de:1eb8` in /proc/cmdline, line 1, among others",
        "nvidia-blacklist: `modprobe.blacklist=a,nvidia` in /proc/cmdline, line 1, among others",
    ];
    assert_eq!(found(&[(CMDLINE, line)]), of_boot);
    let grub = "GRUB_DEFAULT=0\n#GRUB_CMDLINE_LINUX=\"vfio-pci.ids=10de:1eb8\"\n\
                GRUB_CMDLINE_LINUX_DEFAULT=\"vfio-pci.ids=10de:1eb8 quiet\"\n";
    let expected = "vfio-ids 0000:81:00.0: `vfio-pci.ids=10de:1eb8` in /etc/default/grub, line 3, among others";
    assert_eq!(found(&[(CMDLINE, line), (PARAMETERS[1], grub)]), [expected]);
    let drop_in = ("/etc/default/grub.d/vfio.cfg", "GRUB_CMDLINE_LINUX='module_blacklist=nvidia'");
    assert!(
        found(&[drop_in])[0].contains("`module_blacklist=nvidia` in /etc/default/grub.d/vfio.cfg")
    );
    let ignored = "root=ZFS=rpool quiet\nvfio-pci.ids=10de:1eb8\n";
    assert!(found(&[(PARAMETERS[0], ignored)]).is_empty(), "only the first line counts");
    assert_eq!(found(&[(PARAMETERS[0], "root=x vfio-pci.ids=10de:1eb8\n")]).len(), 1);
}

#[test]
fn foreign_units_that_enable_virtual_functions_are_named_by_their_links() {
    let wants = "/etc/systemd/system/multi-user.target.wants";
    let with = |unit: &str, exec: &str| {
        let text = format!("[Service]\nExecStart={exec}\n");
        let (file, link) = (format!("{UNITS}/{unit}"), format!("{wants}/{unit}"));
        found(&[(&file, &text), (&link, "")])
    };
    let manage = "/usr/lib/nvidia/sriov-manage -e ALL";
    assert_eq!(with("my-vgpu.service", manage), [format!("sriov-unit: {wants}/my-vgpu.service")]);
    let write = "/bin/sh -c 'echo 16 > /sys/bus/pci/devices/0000:c1:00.0/sriov_numvfs'";
    assert_eq!(with("vfs.service", write).len(), 1);
    let of_network = "/bin/sh -c 'echo 7 > /sys/class/net/enp1s0/device/sriov_numvfs'";
    assert!(with("nic.service", of_network).is_empty());
    for known in ["vgpu-offline-sriov.service", "pve-nvidia-sriov@ALL.service"] {
        assert!(with(known, manage).is_empty(), "{known}");
    }
    let file = format!("{UNITS}/my-vgpu.service");
    assert!(found(&[(&file, &format!("ExecStart={manage}"))]).is_empty(), "it is not enabled");
}

#[test]
fn a_gpu_that_vfio_pci_holds_is_named_unless_we_assigned_it() {
    let held = [gpu(T4, "10de:1eb8", Some("vfio-pci")), gpu(A2, "10de:25b6", Some("nvidia"))];
    let found = on(&MemHost::with_files(&[]), &held);
    let [leftover] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(leftover.to_string(), "/sys/bus/pci/devices/0000:81:00.0/driver");
    assert_eq!((leftover.kind, leftover.gpus.len()), (LeftoverKind::VfioBound, 1));
    let rule = "SUBSYSTEM==\"pci\", KERNEL==\"0000:81:00.*\", ATTR{driver_override}=\"vfio-pci\"\n";
    assert!(on(&MemHost::with_files(&[(OUR_RULES, rule)]), &held).is_empty());
    // Without a GPU of NVIDIA, none of it matters.
    let other = [gpu("0000:03:00.0", "1002:73bf", Some("vfio-pci"))];
    assert!(on(&MemHost::with_files(&[(CONF, "blacklist nvidia\n")]), &other).is_empty());
}
