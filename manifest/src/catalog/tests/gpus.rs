//! Rows of GPUs that other lists have wrong, or that are error-prone.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use crate::catalog::{Card, CardUnlock, Catalog, DeviceId, Display, Gpu, Release, SrIov};
use crate::platform::PciId;

static CATALOG: LazyLock<Catalog> = LazyLock::new(Catalog::embedded);

fn gpu(id: &str) -> &'static Gpu {
    let id: DeviceId = id.parse().unwrap();
    CATALOG.gpu(id).unwrap_or_else(|| panic!("{id} is missing"))
}

fn native(id: &str, release: &str) -> bool {
    let release: Release = release.parse().unwrap();
    gpu(id).native.is_some_and(|range| range.contains(release))
}

#[test]
fn every_display_and_3d_device_of_pci_ids_is_there() {
    assert_eq!(CATALOG.gpus().len(), 1508);
    // The oldest and the newest of the file.
    assert_eq!(gpu("0008").name, "STG2000X-B Series");
    assert_eq!(gpu("3400").chip, "GB10B");
}

#[test]
fn what_is_no_gpu_is_not_there() {
    // Audio, USB and UCSI controllers, NVSwitches, bridges, memory controllers, an NPU.
    let others = [
        "10f0", "1ad6", "1ad7", "1aef", "1af1", "22a3", "22ba", "22e8", "0369", "03b7", "05b1",
        "0060", "1ad0", "200a", "2f80", "0d88",
    ];
    for id in others {
        assert_eq!(CATALOG.gpu(id.parse().unwrap()), None, "{id}");
    }
    let words = ["audio", "usb", "bridge", "ethernet", "nvswitch", "memory controller", "sata"];
    for gpu in CATALOG.gpus() {
        let name = gpu.name.to_lowercase();
        assert!(!words.iter().any(|word| name.contains(word)), "{} is {name}", gpu.id);
    }
}

#[test]
fn natives_that_the_scripts_table_marks_no_are_native() {
    let wrong_no = ["20b0", "20b2", "20f1", "20bd", "20f3", "2321", "2324", "2330", "2339", "2342"];
    for id in wrong_no {
        assert!(native(id, "18.4"), "{id}");
        let says = |id: &crate::catalog::EvidenceId| id.as_str() == "gpu-db-wrong-no";
        assert!(gpu(id).evidence.iter().any(says), "{id}");
    }
}

#[test]
fn lists_of_branches_do_not_end_at_17() {
    for id in ["1eb8", "2235", "26b9", "27b8", "25b6"] {
        for release in ["16.0", "17.6", "18.6", "19.6", "20.2"] {
            assert!(native(id, release), "{id} on {release}");
        }
    }
    assert!(native("2335", "18.0"), "H200 has an empty list");
    assert!(native("20b1", "16.0") && native("2331", "20.1"), "these stopped at 15");
}

#[test]
fn lists_of_branches_do_not_reach_too_far() {
    assert!(native("13bd", "16.14") && !native("13bd", "17.0"), "Maxwell ends with 16");
    for quadro in ["13f1", "13f9", "1bb1"] {
        assert_eq!(gpu(quadro).native, None, "{quadro} is no native card");
    }
    assert!(!native("1e30", "20.0"), "Quadro RTX 6000 ends with 19");
    assert!(!native("2bb5", "18.6"), "RTX PRO 6000 begins with 19.1");
}

#[test]
fn cards_with_wrong_or_invented_ids_are_right() {
    assert_eq!(gpu("2c05").name, "GeForce RTX 5070 Ti");
    assert_eq!(gpu("2f18").name, "GeForce RTX 5070 Ti Mobile");
    assert_eq!(gpu("2f18").native.or(gpu("2f18").native_unproven), None);
    assert!(gpu("2bb3").name.starts_with("RTX PRO 5000 Blackwell"));
    for invented in ["2c03", "2c04", "2c06", "2c07", "2051", "1491", "1492"] {
        assert_eq!(CATALOG.gpu(invented.parse().unwrap()), None, "{invented}");
    }
}

#[test]
fn unnamed_engineering_ids_are_not_native() {
    for id in ["1e3b", "1e3f", "1e70", "1e75", "1e77", "1e7d", "2185"] {
        assert_eq!(CATALOG.gpu(id.parse().unwrap()), None, "{id}");
    }
    for id in ["1e3c", "1e3d", "1e3e", "2186"] {
        assert_eq!(gpu(id).native, None, "{id}");
    }
    for doubtful in ["1bb0", "1b30", "1431", "1b39"] {
        assert_eq!(gpu(doubtful).native, None, "{doubtful}");
        assert!(gpu(doubtful).native_unproven.is_some(), "{doubtful}");
    }
}

#[test]
fn cards_that_cannot_be_unlocked_are_not_promised() {
    for id in ["11fa", "28b0", "28b8", "25a9", "25ad"] {
        assert_eq!(gpu(id).unlock, None, "{id}");
    }
    assert_eq!(gpu("13c2").unlock_state, CardUnlock::No, "GTX 970");
    let small = |gpu: &&Gpu| gpu.chip == "GM108" && gpu.unlock.is_some();
    assert!(CATALOG.gpus().iter().filter(small).all(|gpu| gpu.unlock_state == CardUnlock::No));
    assert!(CATALOG.gpus().iter().filter(small).count() >= 14);
}

#[test]
fn titan_v_and_quadro_gv100_can_be_unlocked() {
    for id in ["1d81", "1dba"] {
        assert_eq!(gpu(id).unlock.as_ref().unwrap().as_str(), "v100");
        assert_eq!(gpu(id).unlock_state, CardUnlock::Works);
    }
}

#[test]
fn chips_have_their_own_names() {
    assert_eq!(gpu("1db6").chip, "GV100");
    assert_eq!(gpu("15f8").chip, "GP100");
    assert_eq!(gpu("23b0").chip, "GH100");
    assert_eq!(gpu("2bb5").chip, "GB202");
    assert_eq!(gpu("2c05").chip, "GB203");
}

#[test]
fn newer_boards_are_there() {
    let boards = [
        ("2c02", "GeForce RTX 5080"),
        ("2f04", "GeForce RTX 5070"),
        ("2d83", "GeForce RTX 5050"),
        ("2c31", "RTX PRO 4500 Blackwell"),
        ("2bb2", "RTX PRO 6000D Blackwell Workstation Edition"),
        ("2901", "B200"),
        ("3182", "B300 SXM6 AC"),
        ("233b", "H200 NVL"),
        ("2329", "H20"),
        ("26bb", "L30"),
        ("25b0", "RTX A1000"),
        ("25b2", "RTX A400"),
    ];
    for (id, name) in boards {
        assert_eq!(gpu(id).name, name);
    }
}

#[test]
fn users_boards_are_what_they_are() {
    assert!(native("1bb3", "16.9"), "P4 is native");
    assert!(gpu("1eb1").unlock.is_some() && gpu("1eb1").native.is_none(), "Quadro RTX 4000");
    assert!(gpu("1ff0").unlock.is_some(), "T1000");
    assert_eq!(gpu("1380").unlock_state, CardUnlock::Unproven, "GTX 750 Ti");
}

#[test]
fn virtual_functions_begin_with_ampere() {
    for row in CATALOG.gpus().iter().filter(|gpu| gpu.native.is_some()) {
        let old = ["maxwell", "maxwell2", "pascal", "volta", "turing"];
        let expected = if old.contains(&row.arch.as_str()) { SrIov::No } else { SrIov::Yes };
        assert_eq!(row.sriov, Some(expected), "{}", row.id);
    }
}

#[test]
fn workstation_cards_must_switch_their_displays_off() {
    let switch = |gpu: &&Gpu| gpu.display == Some(Display::SwitchOff);
    let found: Vec<_> = CATALOG.gpus().iter().filter(switch).map(|it| it.id.to_string()).collect();
    let expected =
        ["2230", "2231", "2233", "26b1", "26b2", "26b3", "2bb1", "2bb2", "2bb3", "2bb4", "2bbc"];
    assert_eq!(found, expected);
}

#[test]
fn subsystems_tell_boards_apart() {
    let names = |id: &str| -> BTreeMap<(u16, u16), String> {
        gpu(id).subsystems.iter().map(|it| (it.id(), it.name().to_owned())).collect()
    };
    assert_eq!(names("1e30")[&(0x10de, 0x12ba)], "Quadro RTX 6000");
    assert_eq!(names("1e30")[&(0x10de, 0x129e)], "Quadro RTX 8000");
    assert_eq!(names("13bd")[&(0x10de, 0x1160)], "Tesla M10");
}

#[test]
fn an_unknown_id_gets_its_architecture_from_its_range_and_is_marked() {
    let card = |id: u16| CATALOG.card(PciId::new(PciId::NVIDIA, id)).unwrap();
    for (id, arch) in [(0x1eff, "turing"), (0x0cff, ""), (0x27ff, "ada"), (0x2c03, "blackwell")] {
        match card(id) {
            Card::Derived(derived, found) => {
                assert_eq!((derived.0, found.id.as_str()), (id, arch));
            }
            Card::Unknown(found) => assert_eq!((found.0, arch), (id, ""), "{id:04x}"),
            Card::Known(gpu, _) => panic!("{} is known", gpu.id),
        }
    }
    assert!(matches!(card(0x1eb8), Card::Known(..)));
    assert_eq!(CATALOG.card(PciId::new(0x8086, 0x1eb8)), None);
}

#[test]
fn every_known_id_is_in_the_range_of_its_architecture() {
    for row in CATALOG.gpus() {
        let arch = CATALOG.card(row.pci_id()).unwrap().architecture().unwrap();
        let inside = arch.ids.is_empty() || arch.ids.iter().any(|range| range.contains(row.id));
        // pci.ids has single ids far from their kind, and gives some of GM107's block to GM204.
        let stray =
            row.id.0 == 0x0fbc || row.chip == "GM204" && (0x13ad..=0x13bf).contains(&row.id.0);
        assert!(inside || stray, "{} {} is outside of {}", row.id, row.name, arch.id);
    }
}
