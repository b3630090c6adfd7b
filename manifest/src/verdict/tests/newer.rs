//! Drivers that are newer than the catalog.

use super::CATALOG;
use crate::catalog::{Catalog, Release, Rule};
use crate::verdict::{Case, Goal, Listing, Mode, Verdict, judge};

fn admitting(host: &str, stated: Option<&str>) -> Catalog {
    let mut catalog = CATALOG.clone();
    catalog.admit(&host.parse().unwrap(), stated.map(|it| it.parse().unwrap()));
    catalog
}

/// Returns the release as which a host driver is admitted.
fn release(host: &str, stated: Option<&str>) -> Option<String> {
    let catalog = admitting(host, stated);
    let host = host.parse().unwrap();
    catalog.drivers_by_host(&host).filter(|it| it.newer).map(|it| it.release.to_string()).next()
}

fn case(gpu: &str, driver: &str, listed: Option<Listing>) -> Case {
    let mut case = Case::new(gpu.parse().unwrap(), driver.parse().unwrap());
    case.findings.listed = listed;
    case
}

fn doubts(verdict: &Verdict<'_>) -> Vec<Rule> {
    verdict.suitable().unwrap().doubts.iter().map(|doubt| doubt.statement.rule).collect()
}

#[test]
fn a_newer_driver_of_a_known_branch_is_admitted() {
    assert_eq!(release("580.190.01", None).as_deref(), Some("19.x"));
    assert_eq!(release("580.190.01", Some("19.7")).as_deref(), Some("19.7"));
    // Statements that cannot be right.
    for wrong in ["19.6", "19.2", "20.7", "18.9"] {
        assert_eq!(release("580.190.01", Some(wrong)).as_deref(), Some("19.x"), "{wrong}");
    }
    assert_eq!(release("595.100.02", None).as_deref(), Some("20.x"));
    // A recorded driver, an older one of the branch, and one of an unknown branch.
    for other in ["580.178.05", "580.170.01", "610.43.02", "95.1"] {
        assert_eq!(release(other, None), None, "{other}");
    }
}

#[test]
fn its_own_list_decides_and_it_stays_unverified() {
    let catalog = admitting("580.190.01", None);
    for gpu in ["10de:26b9", "10de:26ba"] {
        let listed = judge(&catalog, &case(gpu, "19.x", Some(Listing::Listed)));
        assert_eq!(doubts(&listed), [Rule::NewerDriver], "{gpu}");
        let suitable = listed.suitable().unwrap();
        assert_eq!(suitable.mode, Mode::Native);
        let install = suitable.driver.as_ref().unwrap();
        assert_eq!(install.driver.file, "NVIDIA-Linux-x86_64-580.190.01-vgpu-kvm.run");
        assert_eq!(install.args, ["--dkms", "-s"]);
        let omitted = judge(&catalog, &case(gpu, "19.x", Some(Listing::Omitted)));
        assert!(omitted.suitable().is_none(), "{gpu}");
    }
    let text = judge(&catalog, &case("10de:26b9", "19.x", Some(Listing::Listed))).to_string();
    assert!(text.contains("vGPU 19.x (580.190.01) is newer than the catalog"), "{text}");
    // The guests of the release are unknown, and so is what a bulletin says of it.
    assert!(!text.contains("\n  guests ") && !text.contains("bulletin"), "{text}");
}

#[test]
fn without_a_list_the_branch_decides() {
    let catalog = admitting("595.100.02", None);
    assert_eq!(doubts(&judge(&catalog, &case("10de:26b9", "20.x", None))), [Rule::NewerDriver]);
    let volta = judge(&catalog, &case("10de:1db6", "20.x", None));
    assert_eq!(volta.unsuitable().unwrap().rule(), Rule::OtherReleases);
}

#[test]
fn it_may_build_on_kernels_on_which_its_branch_did_not() {
    let build = |host: &str, kernel: &str| {
        let catalog = admitting(host, None);
        let release = catalog.drivers_by_host(&host.parse().unwrap()).last().unwrap().release;
        let mut case = case("10de:26b9", &release.to_string(), Some(Listing::Listed));
        case.target.kernel = Some(kernel.parse().unwrap());
        let verdict = judge(&catalog, &case);
        verdict.suitable().map(|_| doubts(&verdict).contains(&Rule::Build))
    };
    assert_eq!(build("550.163.02", "6.17.13-21-pve"), None);
    assert_eq!(build("550.190.01", "6.17.13-21-pve"), Some(true));
    assert_eq!(build("580.190.01", "6.17.13-21-pve"), Some(false));
    assert_eq!(build("580.190.01", "5.15.158-2-pve"), None);
}

#[test]
fn a_newer_release_without_its_file_is_unknown() {
    let verdict = judge(&CATALOG, &case("10de:26b9", "19.x", None));
    let refusal = verdict.unsuitable().unwrap();
    assert_eq!(refusal.rule(), Rule::UnknownDriver);
    assert_eq!(refusal.nearest[0].to_string(), "use vGPU 19.6 (native)");
    assert!(
        matches!(refusal.nearest[0].case.goal, Goal::Vgpu { driver, .. } if driver == Release::new(19, 6))
    );
}
