//! Properties that hold for every case.

use proptest::prelude::*;
use proptest::sample::select;

use super::CATALOG;
use crate::catalog::{DriverFile, Release};
use crate::platform::{
    BootLoader, CpuVendor, KernelRelease, PciId, PveRelease, RootFs, SecureBoot,
};
use crate::verdict::{
    Case, Compiled, Export, Findings, Goal, Listing, PoolFeatures, Target, judge, summarize,
};

/// In half of the cases, a GPU of the catalog that is a plausible vGPU host.
fn gpu() -> impl Strategy<Value = PciId> {
    let known: Vec<_> = CATALOG
        .gpus()
        .iter()
        .filter(|gpu| gpu.native.is_some() || gpu.unlock.is_some())
        .map(crate::catalog::Gpu::pci_id)
        .collect();
    let strange = any::<(u16, u16)>().prop_map(|(vendor, device)| PciId::new(vendor, device));
    let nvidia = any::<u16>().prop_map(|device| PciId::new(PciId::NVIDIA, device));
    prop_oneof![8 => select(known), 3 => nvidia, 1 => strange]
}

fn release() -> impl Strategy<Value = Release> {
    let known: Vec<_> = CATALOG.drivers().iter().map(|driver| driver.release).collect();
    let any = any::<(u8, u8)>().prop_map(|(branch, minor)| Release::new(branch, minor));
    prop_oneof![9 => select(known), 1 => any]
}

fn kernel() -> impl Strategy<Value = KernelRelease> {
    let known: Vec<_> = CATALOG.kernels().iter().map(|kernel| kernel.newest.clone()).collect();
    let any = (0..9_u16, 0..30_u16, 0..20_u16).prop_map(|(major, minor, patch)| {
        format!("{major}.{minor}.{patch}-1-pve").parse().unwrap()
    });
    prop_oneof![4 => select(known), 1 => any]
}

fn goal() -> impl Strategy<Value = Goal> {
    let vgpu = (release(), proptest::option::of(select(DriverFile::ALL)))
        .prop_map(|(driver, file)| Goal::Vgpu { driver, file });
    prop_oneof![9 => vgpu, 1 => Just(Goal::Passthrough)]
}

prop_compose! {
    fn target()(
        pve in (6_u8..11, 0_u8..5),
        kernel in kernel(),
        secure_boot in select(SecureBoot::ALL),
        boot_loader in select(BootLoader::ALL),
        root in select(RootFs::ALL),
        pool in select(PoolFeatures::ALL),
        cpu in select(CpuVendor::ALL),
        known in any::<[bool; 7]>(),
    ) -> Target {
        Target {
            pve: known[0].then_some(PveRelease::new(pve.0, pve.1)),
            kernel: known[1].then_some(kernel),
            secure_boot: known[2].then_some(secure_boot),
            boot_loader: known[3].then_some(boot_loader),
            root: known[4].then_some(root),
            pool: known[5].then_some(pool),
            cpu: known[6].then_some(cpu),
        }
    }
}

prop_compose! {
    fn findings()(
        apicv in proptest::option::of(select(Export::ALL)),
        listed in proptest::option::weighted(0.2, select(Listing::ALL)),
        compiled in proptest::option::weighted(0.2, select(Compiled::ALL)),
    ) -> Findings {
        Findings { apicv, listed, compiled }
    }
}

prop_compose! {
    fn case()(gpu in gpu(), goal in goal(), target in target(), findings in findings()) -> Case {
        Case { gpu, goal, target, findings }
    }
}

fn suitable(case: &Case) -> bool {
    judge(&CATALOG, case).suitable().is_some()
}

/// Merges the known properties of two machines; the first one takes precedence.
fn both(one: &Target, other: &Target) -> Target {
    Target {
        pve: one.pve.or(other.pve),
        kernel: one.kernel.clone().or_else(|| other.kernel.clone()),
        secure_boot: one.secure_boot.or(other.secure_boot),
        boot_loader: one.boot_loader.or(other.boot_loader),
        root: one.root.or(other.root),
        pool: one.pool.or(other.pool),
        cpu: one.cpu.or(other.cpu),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn a_verdict_never_panics_and_can_always_be_shown(case in case()) {
        let verdict = judge(&CATALOG, &case);
        prop_assert!(!verdict.to_string().is_empty());
        prop_assert!(serde_json::to_value(&verdict).is_ok());
        prop_assert_eq!(verdict.summary(), summarize(&CATALOG, &case));
    }

    #[test]
    fn every_choice_is_itself_suitable(case in case()) {
        if let Some(unsuitable) = judge(&CATALOG, &case).unsuitable() {
            for choice in &unsuitable.nearest {
                prop_assert!(suitable(&choice.case), "{:?}", choice);
                prop_assert!(!choice.changes.is_empty());
            }
        }
    }

    #[test]
    fn knowing_more_of_a_machine_never_makes_a_case_suitable(case in case(), more in target()) {
        if !suitable(&case) {
            let target = both(&case.target, &more);
            let known = Case { target, ..case };
            prop_assert!(!suitable(&known), "{:?}", known);
        }
    }

    #[test]
    fn a_bad_finding_never_makes_a_case_suitable(case in case()) {
        if !suitable(&case) {
            let bad = [
                Findings { apicv: Some(Export::Missing), ..case.findings },
                Findings { listed: Some(Listing::Omitted), ..case.findings },
                Findings { compiled: Some(Compiled::Fails), ..case.findings },
            ];
            for findings in bad {
                let worse = Case { findings, ..case.clone() };
                let had_good = case.findings.apicv == Some(Export::Exported)
                    || case.findings.listed == Some(Listing::Listed)
                    || case.findings.compiled == Some(Compiled::Compiles);
                prop_assert!(had_good || !suitable(&worse), "{:?}", worse);
            }
        }
    }

    #[test]
    fn naming_the_form_of_the_file_never_makes_a_case_suitable(
        case in case(),
        form in select(DriverFile::ALL),
    ) {
        if let Goal::Vgpu { driver, file: None } = case.goal && !suitable(&case) {
            let goal = Goal::Vgpu { driver, file: Some(form) };
            let named = Case { goal, ..case };
            prop_assert!(!suitable(&named), "{:?}", named);
        }
    }

    #[test]
    fn every_statement_has_evidence(case in case()) {
        match judge(&CATALOG, &case) {
            crate::verdict::Verdict::Suitable(it) => {
                prop_assert!(!it.evidence.is_empty());
                for doubt in &it.doubts {
                    prop_assert!(!doubt.statement.evidence.is_empty(), "{:?}", doubt);
                }
                for note in it.warnings.iter().chain(&it.console) {
                    prop_assert!(!note.evidence.is_empty(), "{:?}", note);
                }
            }
            crate::verdict::Verdict::Unsuitable(it) => {
                prop_assert!(!it.reason.evidence.is_empty(), "{:?}", it.reason);
            }
        }
    }
}
