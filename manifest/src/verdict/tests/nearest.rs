//! The alternatives to an unsuitable case.

use super::CATALOG;
use crate::catalog::State;
use crate::platform::{KernelRelease, PveRelease, SecureBoot};
use crate::verdict::{Case, Choice, Goal, Mode, Verdict, judge};

fn case(gpu: &str, driver: &str, pve: &str, kernel: &str) -> Case {
    let mut case = Case::new(gpu.parse().unwrap(), driver.parse().unwrap());
    case.target.pve = Some(pve.parse().unwrap());
    case.target.kernel = Some(kernel.parse().unwrap());
    case
}

fn choices(case: &Case) -> Vec<Choice> {
    judge(&CATALOG, case).unsuitable().expect("an unsuitable case").nearest.clone()
}

fn texts(case: &Case) -> Vec<String> {
    choices(case).iter().map(ToString::to_string).collect()
}

#[test]
fn the_least_change_comes_first_and_the_whole_card_last() {
    assert_eq!(
        texts(&case("10de:1e07", "17.6", "9.1", "6.17.13-21-pve")),
        [
            "boot 6.14.11-9-pve (unlock, unverified)",
            "use vGPU 18.4 (unlock, unverified)",
            "pass the GPU through to one guest",
        ]
    );
}

#[test]
fn two_changes_are_offered_only_where_one_will_not_do() {
    // No 16.x for Pascal builds on 7.0 with a patch, and the newer branches are doubtful.
    let texts = texts(&case("10de:1b80", "17.0", "9.2", "7.0.14-14-pve"));
    assert!(texts.iter().all(|text| !text.contains(" and ")), "{texts:?}");
    let mut pool = case("10de:26b9", "18.2", "9.2", "6.17.13-21-pve");
    pool.target.root = Some(crate::platform::RootFs::Zfs);
    pool.target.pool = Some(crate::verdict::PoolFeatures::OpenZfs24);
    assert_eq!(
        choices(&pool).iter().map(ToString::to_string).collect::<Vec<_>>(),
        [
            "use vGPU 18.5 and boot 7.0.14-23-pve (native, unverified)",
            "pass the GPU through to one guest"
        ]
    );
}

#[test]
fn a_card_that_nothing_can_help_gets_no_false_hope() {
    for gpu in ["10de:11fa", "10de:2684", "10de:13c2", "10de:128b"] {
        assert_eq!(
            texts(&case(gpu, "16.9", "8.4", "6.8.12-43-pve")),
            ["pass the GPU through to one guest"],
            "{gpu}"
        );
    }
    let arm = case("10de:2b00", "19.5", "9.1", "6.17.13-21-pve");
    assert!(choices(&arm).is_empty());
}

#[test]
fn an_old_system_is_offered_a_newer_one() {
    let case = case("10de:26b9", "19.5", "7.4", "5.15.158-2-pve");
    let texts = texts(&case);
    assert!(texts.iter().any(|text| text.starts_with("upgrade to Proxmox VE 8")), "{texts:?}");
}

#[test]
fn a_choice_without_doubt_beats_a_nearer_one_with_a_doubt() {
    let case = case("10de:1e07", "18.6", "8.4", "6.8.12-43-pve");
    let first = &choices(&case)[0];
    assert_eq!((first.mode, first.state), (Mode::Unlock, State::Settled));
    assert_eq!(first.to_string(), "use vGPU 18.3 (unlock)");
}

#[test]
fn the_changes_are_just_what_differs() {
    for gpu in ["10de:1e07", "10de:1b80", "10de:1bb3", "10de:26b9", "10de:13bd", "10de:1db6"] {
        for driver in CATALOG.drivers() {
            for kernel in CATALOG.kernels() {
                let pve = PveRelease::new(pve_major(kernel.pve.as_str()), 4);
                let mut case = Case::new(gpu.parse().unwrap(), driver.release);
                case.target.pve = Some(pve);
                case.target.kernel = Some(kernel.newest.clone());
                case.target.secure_boot = Some(SecureBoot::Enabled);
                let Verdict::Unsuitable(unsuitable) = judge(&CATALOG, &case) else { continue };
                for choice in &unsuitable.nearest {
                    agrees(&case, choice);
                }
            }
        }
    }
}

fn pve_major(text: &str) -> u8 {
    text.parse().unwrap()
}

fn agrees(case: &Case, choice: &Choice) {
    use crate::verdict::Change;
    let mut changed = case.clone();
    for change in &choice.changes {
        match change {
            Change::Passthrough => changed.goal = Goal::Passthrough,
            Change::Driver(driver) => changed.goal = Goal::Vgpu { driver: *driver, file: None },
            Change::File(form) => {
                let Goal::Vgpu { driver, .. } = changed.goal else { panic!("{choice:?}") };
                changed.goal = Goal::Vgpu { driver, file: Some(*form) };
            }
            Change::Kernel(kernel) => changed.target.kernel = Some(KernelRelease::clone(kernel)),
            Change::SecureBootOff => changed.target.secure_boot = Some(SecureBoot::Disabled),
            Change::Pve(series) => {
                let minor = choice.case.target.pve.unwrap().minor();
                changed.target.pve = Some(PveRelease::new(pve_major(series.as_str()), minor));
            }
        }
    }
    let verdict = judge(&CATALOG, &changed);
    let suitable = verdict.suitable().unwrap_or_else(|| panic!("{choice:?} does not work"));
    assert_eq!((suitable.mode, suitable.state), (choice.mode, choice.state), "{choice:?}");
    let same = judge(&CATALOG, &choice.case);
    assert_eq!(same.summary(), verdict.summary());
}
