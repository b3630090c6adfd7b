use super::*;
use crate::gpus::Which;

/// Two GPUs: one that shares its group only with its own functions, and one that shares it with a
/// disk controller and a network card.
fn facts() -> Inventory {
    let gpu = |address: &str, group: &str, boot: bool| {
        format!(
            r#"{{"address": "{address}", "id": "10de:1eb8", "class": "030200", "driver": null,
            "iommu-group": {group}, "boot-display": {boot}, "bars": [], "sr-iov": null, "vgpu": null}}"#
        )
    };
    let member = |address: &str, class: &str, driver: &str| {
        format!(
            r#"{{"address": "{address}", "id": "8086:1000", "class": "{class}", "driver": {driver}}}"#
        )
    };
    let alone = [
        member("0000:41:00.0", "030200", "null"),
        member("0000:41:00.1", "040300", "\"snd_hda_intel\""),
        member("0000:41:00.2", "0c0330", "\"xhci_hcd\""),
    ];
    let shared = [
        member("0000:80:01.0", "060400", "\"pcieport\""),
        member("0000:81:00.0", "030200", "null"),
        member("0000:82:00.0", "010802", "\"nvme\""),
        member("0000:83:00.0", "020000", "\"ixgbe\""),
        member("0000:84:00.0", "020000", "null"),
        member("0000:85:00.0", "030000", "\"vfio-pci\""),
    ];
    let json = format!(
        r#"{{
        "schema": 1,
        "os": {{"id": null, "codename": null, "debian": null, "pve": null}},
        "cpu": {{"vendor": "amd", "machine": "physical"}},
        "iommu": "on",
        "boot": {{"firmware": "bios", "loader": null, "evidence": [], "sync": "direct",
            "secure-boot": "unsupported", "lockdown": null, "keys": [], "dkms-key": null, "words": []}},
        "kernels": {{"running": null, "pinned": null, "pinned-next": null, "installed": [], "modules": []}},
        "root": {{"kind": null, "pool": null, "free": []}},
        "gpus": [{}, {}, {}],
        "iommu-groups": [{{"number": 7, "members": [{}]}}, {{"number": 9, "members": [{}]}}],
        "apt-sources": [], "subscription": "none", "packages": [], "leftovers": [], "unread": []
    }}"#,
        gpu("0000:0a:00.0", "null", true),
        gpu("0000:41:00.0", "7", false),
        gpu("0000:81:00.0", "9", false),
        alone.join(","),
        shared.join(","),
    );
    Inventory::from_json(json.as_bytes()).unwrap()
}

fn address(text: &str) -> PciAddress {
    text.parse().unwrap()
}

fn give(addresses: &[&str]) -> GpuChoice {
    let passthrough = addresses.iter().map(|text| text.parse().unwrap()).collect();
    GpuChoice { passthrough, ..GpuChoice::default() }
}

fn refusal(choice: &GpuChoice) -> String {
    isolate(&facts(), choice).unwrap_err().to_string()
}

#[test]
fn a_gpu_goes_with_its_own_functions() {
    let slots = isolate(&facts(), &give(&["0000:41:00.0"])).unwrap();
    assert_eq!(slots, [Slot::of(address("0000:41:00.0"))]);
    assert_eq!(slots[0].to_string(), "0000:41:00");
    assert!(slots[0].has(address("0000:41:00.2")) && !slots[0].has(address("0000:41:01.0")));
}

#[test]
fn what_the_host_needs_is_named_and_can_be_given_up_one_by_one() {
    let mut choice = give(&["0000:81:00.0"]);
    let error = refusal(&choice);
    assert!(error.contains("IOMMU group 9"), "{error}");
    assert!(error.contains("the disk controller 0000:82:00.0 (8086:1000, nvme)"), "{error}");
    assert!(error.contains("the network card 0000:83:00.0 (8086:1000, ixgbe)"), "{error}");
    for harmless in ["0000:80:01.0", "0000:84:00.0", "0000:85:00.0"] {
        assert!(!error.contains(harmless), "{error}");
    }
    choice.give_up.push(address("0000:82:00.0"));
    let error = refusal(&choice);
    assert!(!error.contains("0000:82:00.0") && error.contains("0000:83:00.0"), "{error}");
    choice.give_up.push(address("0000:83:00.0"));
    assert_eq!(isolate(&facts(), &choice).unwrap().len(), 1);
}

#[test]
fn the_console_stays_with_the_host() {
    let mut choice = give(&["0000:0a:00.0"]);
    assert!(refusal(&choice).contains("displays the host's console"));
    choice.give_up.push(address("0000:0a:00.0"));
    assert!(isolate(&facts(), &choice).is_ok());
}

#[test]
fn others_are_all_that_do_not_serve() {
    let mut choice = GpuChoice { passthrough: vec![Which::Others], ..GpuChoice::default() };
    choice.vgpu = vec![address("0000:81:00.0"), address("0000:0a:00.0")];
    assert_eq!(isolate(&facts(), &choice).unwrap(), [Slot::of(address("0000:41:00.0"))]);
}

#[test]
fn a_gpu_that_is_not_there_or_asked_for_twice_is_refused() {
    let error = refusal(&give(&["0000:99:00.0"]));
    assert!(error.contains("this host has 0000:0a:00.0, 0000:41:00.0, 0000:81:00.0"), "{error}");
    let mut both = give(&["0000:41:00.0"]);
    both.vgpu = vec![address("0000:41:00.0")];
    assert!(refusal(&both).contains("cannot be used for both vGPUs and passthrough"));
    let vgpu = GpuChoice { vgpu: vec![address("0000:99:00.0")], ..GpuChoice::default() };
    assert!(refusal(&vgpu).contains("there is no GPU at 0000:99:00.0"));
}
