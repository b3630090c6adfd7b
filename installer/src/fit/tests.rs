use std::collections::BTreeSet;

use proptest::prelude::*;
use vgpu_manifest::Kind;
use vgpu_manifest::inventory::{Kernel, KernelPart};
use vgpu_manifest::package::{ArchiveRecord, PackageReason, PackageRecord};
use vgpu_manifest::platform::{BootLoader, CpuVendor};
use vgpu_manifest::verdict::{Purpose, Targets};

use super::*;
use crate::gpus::GpuChoice;
use crate::host::Content;
use crate::plan::tests::planner::{facts, gpu_of, item, item_of, manifest};
use crate::plan::tests::{host, host_driver};
use crate::plan::{Choices, GuestTools, Resume, Source};
use crate::step::Step;

const T4: &str = "10de:1eb8";
const A40: &str = "10de:2235";
const BLACKWELL: &str = "10de:2bb5";
const KERNEL: &str = "6.8.12-4-pve";
const NEWER: &str = "6.8.12-10-pve";
const TOOLS: [&str; 3] = ["dkms", "gcc", "make"];

/// Returns a node of PVE 8 with these GPUs, packages, and kernels with or without headers; the first
/// kernel runs.
fn node(gpus: &[&str], packages: &[&str], kernels: &[(&str, bool)]) -> Inventory {
    let mut node = facts(CpuVendor::Amd, Some(BootLoader::Grub));
    node.os.pve = "8.4".parse().ok();
    node.os.codename = "bookworm".parse().ok();
    let at = |(n, id): (usize, &&str)| gpu_of(id, &format!("0000:{:02x}:00.0", 0x41 + n));
    node.gpus = gpus.iter().enumerate().map(at).collect();
    let package = |name: &&str| {
        let text = format!("{{\"name\":\"{name}\",\"arch\":\"amd64\",\"version\":\"1\"}}");
        serde_json::from_str(&text).unwrap()
    };
    node.packages = packages.iter().chain(&["bash"]).map(package).collect();
    let installed = kernels.iter().map(|(release, has_headers)| {
        let mut has = BTreeSet::from([KernelPart::Image, KernelPart::Modules]);
        has.extend(has_headers.then_some(KernelPart::Headers));
        Kernel { release: release.parse().unwrap(), has }
    });
    node.kernels.installed = installed.collect();
    node.kernels.installed.sort();
    node.kernels.running = kernels.first().map(|(release, _)| release.parse().unwrap());
    node
}

/// Returns a bundle of driver 16.9 for these GPUs, or for any, with these packages of Debian 12.
fn bundle(targets: &[&str], packages: &[&str]) -> Source {
    let mut manifest = manifest("{}");
    manifest.items.push(item_of("driver.run", Kind::Driver(host_driver())));
    if !targets.is_empty() {
        let gpu: Vec<_> = targets.iter().map(|id| format!("\"{id}\"")).collect();
        let text = format!(r#"{{"gpu":[{}],"driver":"16.9"}}"#, gpu.join(","));
        let targets: Targets = serde_json::from_str(&text).unwrap();
        manifest.purpose = Some(Purpose { targets, unsuitable: BTreeSet::new() });
    }
    if !packages.is_empty() {
        manifest.items.push(item("Release"));
        manifest.archives.push(ArchiveRecord {
            name: "debian".parse().unwrap(),
            codename: "bookworm".parse().unwrap(),
            release: "Release".parse().unwrap(),
            signature: None,
            signed_by: "A".repeat(40).parse().unwrap(),
            dated: 0,
            indexes: Vec::new(),
        });
    }
    for name in packages {
        let record = PackageRecord {
            name: name.parse().unwrap(),
            version: "1".parse().unwrap(),
            arch: "amd64".parse().unwrap(),
            archive: "debian".parse().unwrap(),
            reason: PackageReason::Requested,
            installed: None,
            fields: std::collections::BTreeMap::new(),
            headers: None,
        };
        manifest.items.push(item_of(&format!("{name}.deb"), Kind::Package(record)));
    }
    Source { manifest, catalog: Some(Catalog::embedded()) }
}

fn choices(allow_unsuitable: bool) -> Choices {
    Choices {
        program: Content::of(b"me"),
        gpus: GpuChoice { allow_unsuitable, ..GpuChoice::default() },
        license: None,
        guest_tools: GuestTools::LeftOut,
    }
}

/// Returns what `check` and `plan` object to, which must be the same.
fn objections(source: &Source, node: &Inventory) -> Vec<String> {
    let (host, choices) = (host(), choices(false));
    let judged = source.objections(&host, node, &choices);
    let proposed = source.propose(&host, node, &choices, Resume::ByUnit);
    match (judged, proposed) {
        (Ok(objections), Ok(_)) => assert_eq!(objections, Vec::<String>::new()),
        (Ok(objections), Err(_)) => return objections,
        (Err(error), Err(other)) => {
            assert_eq!(error.to_string(), other.to_string());
            return vec![error.to_string()];
        }
        (Err(error), Ok(_)) => panic!("only `check` refuses: {error}"),
    }
    Vec::new()
}

#[test]
fn each_node_gets_one_answer_from_check_and_plan() {
    let headers = format!("proxmox-headers-{NEWER}");
    let good = node(&[T4], &TOOLS, &[(KERNEL, true)]);
    let cases: [(&str, Source, Inventory, &[&str]); 9] = [
        ("it fits", bundle(&[], &[]), good.clone(), &[]),
        ("the target is here", bundle(&[T4], &[]), good.clone(), &[]),
        (
            "another GPU",
            bundle(&[T4], &[]),
            node(&[A40], &TOOLS, &[(KERNEL, true)]),
            &["is made for Tesla T4 (10de:1eb8)", "A40 (10de:2235) at 0000:41:00.0"],
        ),
        ("no GPU", bundle(&[T4], &[]), node(&[], &TOOLS, &[(KERNEL, true)]), &["no NVIDIA GPU"]),
        (
            "no compiler",
            bundle(&[], &[]),
            node(&[T4], &["make"], &[(KERNEL, true)]),
            &["needs dkms, gcc on kernel 6.8.12-4-pve"],
        ),
        (
            "the compiler is in the bundle",
            bundle(&[], &TOOLS),
            node(&[T4], &[], &[(KERNEL, true)]),
            &[],
        ),
        (
            "headers of the running kernel are missing",
            bundle(&[], &["linux-headers-amd64"]),
            node(&[T4], &TOOLS, &[(NEWER, false)]),
            &["needs proxmox-headers-6.8.12-10-pve"],
        ),
        (
            "headers are in the bundle",
            bundle(&[], &[&headers]),
            node(&[T4], &TOOLS, &[(NEWER, false)]),
            &[],
        ),
        (
            "the kernel that boots next has no headers, so the running one is held",
            bundle(&[], &[]),
            node(&[T4], &TOOLS, &[(KERNEL, true), (NEWER, false)]),
            &[],
        ),
    ];
    for (what, source, node, expected) in cases {
        let found = objections(&source, &node).join("; ");
        assert_eq!(found.is_empty(), expected.is_empty(), "{what}: {found}");
        for part in expected {
            assert!(found.contains(part), "{what}: {found}");
        }
    }
}

#[test]
fn a_kernel_without_headers_that_would_boot_next_is_not_waited_for() {
    let node = node(&[T4], &TOOLS, &[(KERNEL, true), (NEWER, false)]);
    let source = bundle(&[], &[]);
    let fit = source.judge(&host(), &node, &choices(false).gpus).unwrap().unwrap();
    assert_eq!(fit.course.hold.as_ref().map(KernelRelease::as_str), Some(KERNEL));
    assert_eq!(fit.kernel.as_ref().map(KernelRelease::as_str), Some(KERNEL));
}

#[test]
fn an_override_is_recorded_and_installs_the_driver() {
    let node = node(&[A40], &TOOLS[..1], &[(KERNEL, true)]);
    let source = bundle(&[T4], &[]);
    let proposed = source.propose(&host(), &node, &choices(true), Resume::ByUnit).unwrap();
    let said = proposed.plan.overridden.join("; ");
    assert!(said.contains("needs gcc, make"), "{said}");
    assert!(said.contains("is made for Tesla T4"), "{said}");
    // The GPU is recorded also if nothing else stands against the bundle.
    let equipped = self::node(&[A40], &TOOLS, &[(KERNEL, true)]);
    let only = source.propose(&host(), &equipped, &choices(true), Resume::ByUnit).unwrap();
    assert_eq!(only.plan.overridden.len(), 1, "{:?}", only.plan.overridden);
    assert!(proposed.plan.steps().any(|step| matches!(step, Step::InstallDriver(_))));
    assert!(proposed.plan.to_text().contains("overridden"));
}

fn nodes() -> impl Strategy<Value = Inventory> {
    let gpus = prop::sample::subsequence(vec![T4, A40, BLACKWELL, "1002:73bf"], 0..=4);
    let packages = prop::sample::subsequence(TOOLS.to_vec(), 0..=3);
    let kernels = prop::sample::subsequence(vec![KERNEL, NEWER, "6.17.13-1-pve"], 0..=3);
    let kernels = kernels.prop_flat_map(|kernels| {
        let count = kernels.len();
        (Just(kernels), prop::collection::vec(any::<bool>(), count))
    });
    (gpus, packages, kernels).prop_map(|(gpus, packages, (kernels, headers))| {
        let kernels: Vec<_> = kernels.into_iter().zip(headers).collect();
        node(&gpus, &packages, &kernels)
    })
}

fn bundles() -> impl Strategy<Value = Source> {
    let targets = prop::sample::subsequence(vec![T4, A40, BLACKWELL], 0..=3);
    let names = vec!["dkms", "gcc", "make", "proxmox-headers-6.8.12-10-pve"];
    let packages = prop::sample::subsequence(names, 0..=4);
    (targets, packages).prop_map(|(targets, packages)| bundle(&targets, &packages))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_two_answers_disagree_and_no_driver_is_left_out(node in nodes(), source in bundles()) {
        let found = objections(&source, &node);
        if found.is_empty() {
            let choices = choices(false);
            let proposed = source.propose(&host(), &node, &choices, Resume::ByUnit).unwrap();
            let mut serves = BTreeSet::new();
            for step in proposed.plan.steps() {
                if let Step::InstallDriver(step) = step {
                    serves.extend(step.serves.iter().map(ToString::to_string));
                }
            }
            prop_assert!(!serves.is_empty());
            let is_nvidia = |gpu: &&vgpu_manifest::inventory::Gpu| gpu.id.vendor() == PciId::NVIDIA;
            for gpu in node.gpus.iter().filter(is_nvidia) {
                let address = gpu.address.to_string();
                let is_named = proposed.left_alone.iter().any(|line| line.contains(&address));
                prop_assert!(serves.contains(&address) != is_named, "{address}");
            }
        }
    }
}
