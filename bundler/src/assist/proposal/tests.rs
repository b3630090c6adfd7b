use vgpu_manifest::ui::Report;

use super::*;

fn target(pve: &str, kernel: &str) -> Target {
    let (pve, kernel) = (pve.parse().ok(), kernel.parse().ok());
    Target { pve, kernel, ..Target::default() }
}

fn make<'c>(
    catalog: &'c Catalog,
    gpus: &[&str],
    target: &Target,
    wish: Wish,
) -> anyhow::Result<Proposal<'c>> {
    let gpus: Vec<_> = gpus.iter().map(|gpu| gpu.parse().unwrap()).collect();
    let known = Known { month: "2026-11".parse().ok(), file: None };
    Proposal::make(catalog, target, &gpus, wish, &known)
}

fn release(proposal: &Proposal<'_>) -> String {
    proposal.targets().unwrap().driver.to_string()
}

#[test]
fn the_least_doubtful_newest_driver_is_best() {
    let catalog = Catalog::embedded();
    let pve8 = target("8.4", "6.8.12-43-pve");
    let t4 = make(&catalog, &["10de:1eb8"], &pve8, Wish::Best).unwrap();
    let verdict = t4.verdict().unwrap();
    assert_eq!((verdict.mode, verdict.state), (Mode::Native, State::Settled));
    assert_eq!(t4.others.len(), catalog.drivers().len() - 1);
    let ti = make(&catalog, &["10de:1e07"], &pve8, Wish::Best).unwrap();
    assert_eq!(ti.verdict().unwrap().mode, Mode::Unlock);
    assert_eq!(ti.modprobe(), ["blacklist nouveau", "options nouveau modeset=0"]);
    let asked = make(&catalog, &["10de:1e07"], &pve8, Wish::Driver("16.9".parse().unwrap()));
    assert_eq!(release(&asked.unwrap()), "16.9");
}

#[test]
fn another_kernel_of_the_release_is_proposed_if_need_be() {
    let catalog = Catalog::embedded();
    let pve9 = target("9.1", "6.17.13-21-pve");
    let pascal = make(&catalog, &["10de:1b80"], &pve9, Wish::Best).unwrap();
    assert_eq!(pascal.leaves, pve9.kernel);
    assert_eq!(pascal.target.kernel.as_ref().unwrap().series().to_string(), "6.14");
    assert!(release(&pascal).starts_with("16."), "{}", release(&pascal));
}

#[test]
fn what_no_driver_serves_is_left_out_or_refused() {
    let catalog = Catalog::embedded();
    let pve8 = target("8.4", "6.8.12-43-pve");
    let mixed = make(&catalog, &["10de:25b6", "10de:128b"], &pve8, Wish::Best).unwrap();
    assert_eq!((mixed.served.len(), mixed.left_out.len()), (1, 1));
    let none = make(&catalog, &["10de:128b"], &pve8, Wish::Best).unwrap_err();
    let none = format!("{none:#}");
    assert!(none.contains("pass the GPU through to one guest"), "{none}");
    let intel = make(&catalog, &["8086:3e92"], &pve8, Wish::Best).unwrap_err();
    assert_eq!(Report::of(intel.as_ref(), &[]).exit, Exit::Unsuitable);
}

#[test]
fn a_driver_out_of_support_is_proposed_only_where_nothing_else_fits() {
    let catalog = Catalog::embedded();
    let pve9 = target("9.1", "6.17.13-21-pve");
    let mixed = make(&catalog, &["10de:1eb8", "10de:2bb5"], &pve9, Wish::Best).unwrap();
    let major = mixed.targets().unwrap().driver.branch();
    assert!(major >= 19, "{}", release(&mixed));
    // The first GPU stays, and the other one is left out with the reason.
    assert_eq!(mixed.served[0].0, "10de:1eb8".parse().unwrap());
    let (gpu, why) = &mixed.left_out[0];
    assert_eq!(*gpu, "10de:2bb5".parse().unwrap());
    assert!(why.contains("needs the open kernel modules"), "{why}");
    let reasons = mixed.reasons().join("\n");
    assert!(reasons.contains("10de:2bb5: RTX PRO 6000 Blackwell Server Edition needs"));
    assert!(reasons.contains("NVIDIA's support ended in 2026-03"), "{reasons}");
    let asked = Wish::Driver("19.5".parse().unwrap());
    let asked = make(&catalog, &["10de:1eb8", "10de:2bb5"], &pve9, asked).unwrap();
    assert_eq!((asked.served.len(), asked.left_out.len()), (1, 1));
    // Two of the open kind outnumber the T4.
    let two = ["10de:1eb8", "10de:2bb5", "10de:2bb5"];
    let two = make(&catalog, &two, &pve9, Wish::Best).unwrap();
    assert_eq!((two.served.len(), two.left_out.len()), (2, 1));
    // Nothing else serves a P4.
    let p4 = make(&catalog, &["10de:1bb3"], &target("8.4", "6.8.12-43-pve"), Wish::Best);
    assert_eq!(release(&p4.unwrap()), "16.14");
}

#[test]
fn the_list_of_the_file_decides() {
    let mut catalog = Catalog::embedded();
    let version = "580.190.01".parse().unwrap();
    catalog.admit(&version, None);
    let gpus = Some(vec![vgpu_manifest::catalog::DeviceId(0x26ba)]);
    let known = Known { month: None, file: Some(HostFile { version, gpus }) };
    let make = |gpu: &str| {
        let wish = Wish::Driver(Release::newer(19));
        let gpus = [gpu.parse().unwrap()];
        Proposal::make(&catalog, &target("9.1", "6.17.13-21-pve"), &gpus, wish, &known)
    };
    let l20 = make("10de:26ba").unwrap();
    assert_eq!(release(&l20), "19.x");
    assert_eq!(l20.verdict().unwrap().state, State::Unproven);
    assert!(make("10de:26b9").is_err());
    let unread = Known::default();
    let gpus = ["10de:26ba".parse().unwrap()];
    let target = target("9.1", "6.17.13-21-pve");
    let error = Proposal::make(&catalog, &target, &gpus, Wish::Best, &unread).unwrap_err();
    let error = format!("{error:#}");
    assert!(error.contains("decides (`--driver-file` reads it); instead: "), "{error}");
}

#[test]
fn a_whole_card_needs_modules_by_kernel() {
    let catalog = Catalog::embedded();
    let modules = |kernel: &str| {
        let target = target("7.4", kernel);
        let proposal = make(&catalog, &["10de:128b"], &target, Wish::Passthrough).unwrap();
        assert!(proposal.targets().is_none());
        proposal.modules().contains(&"vfio_virqfd")
    };
    assert!(modules("5.15.158-2-pve") && !modules("6.2.16-20-pve"));
}
