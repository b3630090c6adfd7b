//! Rows of drivers and patches that other lists have wrong, or that are error-prone.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use crate::catalog::{
    BuildState, Catalog, Driver, DriverFile, Exposure, GuestRoot, NameOf, Overrides, Release, Rule,
    State,
};
use crate::platform::KernelSeries;

static CATALOG: LazyLock<Catalog> = LazyLock::new(Catalog::embedded);

fn driver(release: &str) -> &'static Driver {
    let release: Release = release.parse().unwrap();
    CATALOG.driver(release).unwrap_or_else(|| panic!("{release} is missing"))
}

fn evidence(driver: &Driver) -> Vec<&str> {
    driver.evidence.iter().map(crate::catalog::EvidenceId::as_str).collect()
}

fn file(host: &str) -> String {
    format!("NVIDIA-Linux-x86_64-{host}-vgpu-kvm.run")
}

#[test]
fn every_release_from_16_0_to_20_2_is_there() {
    let last = [(16, 14), (17, 6), (18, 6), (19, 6), (20, 2)];
    let all = last
        .into_iter()
        .flat_map(|(branch, last)| (0..=last).map(move |minor| Release::new(branch, minor)));
    let all: Vec<_> = all.collect();
    let found: Vec<_> = CATALOG.drivers().iter().map(|driver| driver.release).collect();
    assert_eq!(found, all);
    assert_eq!(found.len(), 39);
}

#[test]
fn the_file_of_19_3_is_580_105_06_and_not_580_150_06() {
    let row = driver("19.3");
    assert_eq!(row.file, file("580.105.06"));
    assert_eq!(row.md5.unwrap().to_string(), "2642fd16b3ce643065d5a11a6b860acb");
    assert!(evidence(row).contains(&"name-19.3-registry"));
    assert_eq!(CATALOG.driver_by_file(&file("580.105.06")), Some(NameOf::Driver(row)));
    assert_eq!(CATALOG.driver_by_file(&file("580.150.06")), Some(NameOf::Misnamed(row)));
}

#[test]
fn the_md5_of_16_8_has_32_digits() {
    let md5 = driver("16.8").md5.unwrap().to_string();
    assert_eq!(md5, "18627628e749f893cd2c3635452006a4");
    assert!(evidence(driver("16.8")).contains(&"md5-16.8-33-digits"));
    let wrong = format!("{}46", &md5[..31]);
    assert!(wrong.parse::<crate::catalog::Md5>().is_err());
}

#[test]
fn the_patch_of_17_6_is_550_163_02() {
    let row = driver("17.6");
    assert_eq!(row.host.as_str(), "550.163.02");
    assert_eq!(CATALOG.patch(row).unwrap().host, row.host);
    assert!(evidence(row).contains(&"patch-17.6-wrong"));
    assert_eq!(CATALOG.driver_by_file(&file("550.163.10")), Some(NameOf::Misnamed(row)));
}

#[test]
fn the_hosts_of_16_10_and_16_11_are_those_of_kvm_and_both_sources_stand() {
    for (release, host, registry) in
        [("16.10", "535.247.02", "535.247.01"), ("16.11", "535.261.04", "535.261.03")]
    {
        let row = driver(release);
        assert_eq!(row.host.as_str(), host);
        assert_eq!(row.linux_guest.as_str(), registry);
        assert_eq!(row.state, State::Unproven);
        assert!(evidence(row).contains(&"host-16.10-16.11-kvm"));
        assert!(evidence(row).contains(&"host-16.10-16.11-registry"));
        assert_eq!(CATALOG.driver_by_file(&file(registry)), Some(NameOf::Misnamed(row)));
    }
}

#[test]
fn no_patch_of_16_3_is_believed_in() {
    let row = driver("16.3");
    assert_eq!((row.host.as_str(), &row.patch), ("535.154.02", &None));
    assert!(evidence(row).contains(&"patch-16.3-named"));
    assert!(evidence(row).contains(&"patch-16.3-absent"));
}

#[test]
fn releases_that_share_a_host_file_share_its_digest() {
    for (one, other) in [("16.4", "16.5"), ("16.6", "16.7"), ("17.2", "17.3")] {
        let (one, other) = (driver(one), driver(other));
        assert_eq!((&one.file, one.md5, &one.patch), (&other.file, other.md5, &other.patch));
        assert_ne!(one.windows_guest, other.windows_guest);
        assert_eq!(CATALOG.driver_by_file(&one.file), Some(NameOf::Driver(other)));
        assert_eq!(CATALOG.drivers_by_host(&one.host).count(), 2);
    }
}

#[test]
fn releases_that_only_the_bulletins_know_are_there() {
    for (release, host, windows) in
        [("18.5", "570.195.02", "573.76"), ("18.6", "570.211.01", "573.96")]
    {
        let row = driver(release);
        assert_eq!((row.host.as_str(), row.windows_guest.as_str()), (host, windows));
        assert_eq!((row.md5, &row.patch), (None, &None));
    }
}

#[test]
fn releases_of_september_2026_have_newer_hosts_than_bulletin_5861_concerns() {
    for (release, host, linux, windows) in [
        ("19.6", "580.178.05", "580.178.04", "582.78"),
        ("20.2", "595.91.04", "595.91.07", "596.86"),
    ] {
        let row = driver(release);
        let versions = [&row.host, &row.linux_guest, &row.windows_guest];
        assert_eq!(versions.map(crate::catalog::DriverVersion::as_str), [host, linux, windows]);
        assert_eq!((&*row.file, row.state), (&*file(host), State::Settled));
        assert_eq!(CATALOG.bulletins(row).count(), 0);
        let enterprise = file(host).replace(".run", "-aie.run");
        assert_eq!(CATALOG.driver_by_file(&enterprise), Some(NameOf::Enterprise(row)));
    }
    let exposures = |release| CATALOG.bulletins(driver(release)).map(|(it, to)| (it.id, to));
    for (release, exposure) in [
        ("19.5", Exposure::FixedIn(Release::new(19, 6))),
        ("20.1", Exposure::FixedIn(Release::new(20, 2))),
        ("19.0", Exposure::FixedIn(Release::new(19, 6))),
        ("16.14", Exposure::Unfixed),
        ("18.6", Exposure::Unfixed),
    ] {
        assert_eq!(exposures(release).collect::<Vec<_>>(), [(5861, exposure)], "{release}");
    }
}

#[test]
fn support_ends_after_the_last_month() {
    let supported = |release: &str, month: &str| {
        let branch = CATALOG.branch(release.parse().unwrap()).unwrap();
        branch.is_supported(&month.parse().unwrap())
    };
    assert!(supported("16.14", "2026-07") && !supported("16.14", "2026-08"));
    assert!(!supported("18.6", "2026-11") && supported("19.6", "2026-11"));
}

#[test]
fn kernels_are_those_of_november_2026() {
    let newest: Vec<_> = CATALOG.kernels().iter().map(|kernel| kernel.newest.as_str()).collect();
    for kernel in ["7.0.14-23-pve", "6.17.13-21-pve", "6.14.11-9-pve", "6.8.12-43-pve"] {
        assert!(newest.contains(&kernel), "{kernel}");
    }
}

#[test]
fn kernels_of_reports_are_recorded() {
    let build =
        |release: &str, series| CATALOG.build(driver(release), DriverFile::Original, series).build;
    for series in [KernelSeries::new(6, 1), KernelSeries::new(6, 18)] {
        assert_eq!(build("16.14", series), crate::catalog::Build::Builds, "{series}");
    }
    assert_eq!(build("19.6", KernelSeries::new(6, 18)), crate::catalog::Build::Builds);
    let cites = |id: &str| CATALOG.rule(Rule::Apicv).iter().any(|it| it.as_str() == id);
    assert!(cites("apicv-gone-6.18") && cites("build-6.18"));
}

#[test]
fn the_number_of_19_4_stays_open() {
    let row = driver("19.4");
    assert_eq!((row.host.as_str(), row.state), ("580.126.08", State::Unproven));
    assert!(evidence(row).contains(&"host-19.4-misprint"));
}

#[test]
fn guests_have_the_numbers_of_nvidias_files() {
    let first = driver("16.0");
    assert_eq!(first.linux_guest.as_str(), "535.54.03");
    assert_eq!(first.windows_guest.as_str(), "536.25");
    assert!(evidence(first).contains(&"agent-md-guests"));
    assert_eq!(driver("20.1").windows_guest.as_str(), "596.36");
}

#[test]
fn a_patch_that_was_seen_has_a_digest_and_one_that_was_not_has_none() {
    let patches = &CATALOG.rows().patches;
    let seen = patches.iter().filter(|patch| patch.state == State::Settled);
    assert_eq!(seen.clone().count(), 17);
    assert!(seen.clone().all(|patch| patch.sha256.is_some() && patch.bytes.is_some()));
    assert!(seen.clone().all(|patch| {
        patch.changes.iter().any(|file| file == "kernel/nvidia/nv-kernel.o_binary")
    }));
    let named = patches.iter().filter(|patch| patch.state == State::Unproven);
    assert_eq!(named.clone().count(), 6);
    assert!(named.clone().all(|patch| patch.sha256.is_none() && patch.changes.is_empty()));
    let used: BTreeSet<_> =
        CATALOG.drivers().iter().filter_map(|driver| driver.patch.as_ref()).collect();
    assert_eq!(used.len(), patches.len());
}

#[test]
fn guests_need_another_servers_root_from_18_on() {
    let needs = |release: &str| CATALOG.branch(release.parse().unwrap()).unwrap().guest_root;
    assert_eq!(needs("17.6"), GuestRoot::NotNeeded);
    assert_eq!(needs("18.0"), GuestRoot::Needed);
    assert_eq!(needs("19.5"), GuestRoot::Needed);
    assert_eq!(needs("20.0"), GuestRoot::Presumed);
}

#[test]
fn every_library_knows_the_sizes_that_it_is_for() {
    let library = |release: &str| CATALOG.library(driver(release));
    for release in ["16.0", "17.6", "18.4", "19.0"] {
        assert!(matches!(library(release), Overrides::Applied(it) if it.id.as_str() == "mbilker"));
    }
    assert!(
        matches!(library("19.1"), Overrides::Unproven(_, layout) if layout.sizes == [5424, 5432])
    );
    for release in ["19.2", "19.4", "19.6", "20.1", "20.2"] {
        assert!(matches!(library(release), Overrides::Applied(it) if it.id.as_str() == "rbqvq"));
    }
}

#[test]
fn a_kernel_that_no_row_speaks_of_is_unproven_without_a_reason() {
    let row = driver("18.4");
    let state = CATALOG.build(row, DriverFile::Original, KernelSeries::new(5, 4));
    assert_eq!(state, BuildState { build: crate::catalog::Build::Unproven, why: None });
}
