use vgpu_manifest::package::{ArchiveRecord, PackageReason, PackageRecord};

use super::planner::{facts, item_of, manifest};
use super::*;
use vgpu_manifest::platform::{CpuVendor, SecureBoot};
use vgpu_manifest::{Kind, Manifest};

fn archive(name: &str, codename: &str) -> ArchiveRecord {
    ArchiveRecord {
        name: name.parse().unwrap(),
        codename: codename.parse().unwrap(),
        release: "a".parse().unwrap(),
        signature: None,
        signed_by: "4CB50190207B4758A3F73A796ED0E7B82643E131".parse().unwrap(),
        dated: 0,
        indexes: Vec::new(),
    }
}

fn record(name: &str, archive: &str, reason: PackageReason) -> PackageRecord {
    PackageRecord {
        name: name.parse().unwrap(),
        arch: "all".parse().unwrap(),
        version: "1-1".parse().unwrap(),
        reason,
        installed: None,
        archive: archive.parse().unwrap(),
        fields: std::collections::BTreeMap::new(),
        headers: None,
    }
}

fn bundle(wants: &str, packages: Vec<PackageRecord>) -> Manifest {
    let archives = vec![archive("twelve", "bookworm"), archive("thirteen", "trixie")];
    let item = |(at, record)| item_of(&format!("{at}.deb"), Kind::Package(record));
    let items = packages.into_iter().enumerate().map(item).collect();
    Manifest { archives, items, ..manifest(wants) }
}

fn made(manifest: &Manifest, codename: &str) -> Result<Vec<String>, String> {
    let mut facts = facts(CpuVendor::Intel, Some(BootLoader::Grub));
    facts.os.codename = Some(codename.parse().unwrap());
    let choices = Choices {
        program: Content::of(b"me"),
        gpus: crate::gpus::GpuChoice::default(),
        license: None,
        guest_tools: GuestTools::LeftOut,
    };
    let plan = plan(manifest, &facts, &choices).map_err(|error| error.to_string())?;
    Ok(plan.steps().skip(1).map(Step::summary).collect())
}

#[test]
fn a_host_gets_what_was_asked_for_of_its_own_release() {
    use PackageReason::{Needed, Requested};
    let packages = vec![
        record("dkms", "twelve", Requested),
        record("make", "twelve", Needed),
        record("rustc", "twelve", Requested),
        record("gcc", "thirteen", Requested),
    ];
    let all = bundle("{}", packages.clone());
    assert_eq!(made(&all, "bookworm").unwrap(), ["install packages: dkms, rustc"]);
    assert_eq!(made(&all, "trixie").unwrap(), ["install packages: gcc"]);
    let error = made(&all, "bullseye").unwrap_err();
    assert_eq!(
        error,
        "the bundle contains packages for bookworm and trixie, but this host is bullseye"
    );

    let wants = r#"{"packages": {"install": ["dkms"], "repository": "deb822"}}"#;
    let some = made(&bundle(wants, packages), "bookworm").unwrap();
    let kept = "set up a local apt repository with 3 packages in /var/lib/vgpu-offline-repository";
    assert_eq!(some, ["install packages: dkms", kept]);
}

#[test]
fn a_bundle_that_would_touch_what_is_never_touched_is_refused() {
    let packages = vec![record("proxmox-ve", "twelve", PackageReason::Upgrade)];
    let error = made(&bundle("{}", packages), "bookworm").unwrap_err();
    assert!(error.contains("`proxmox-ve`, which is never changed"), "{error}");
    let mut foreign = record("libc6", "twelve", PackageReason::Needed);
    foreign.arch = "arm64".parse().unwrap();
    let error = made(&bundle("{}", vec![foreign]), "bookworm").unwrap_err();
    assert!(error.contains("contains libc6 for arm64"), "{error}");
}

#[test]
fn under_secure_boot_a_kernel_comes_signed() {
    let made = |name: &str, secure_boot| {
        let mut facts = facts(CpuVendor::Intel, Some(BootLoader::Grub));
        facts.os.codename = Some("bookworm".parse().unwrap());
        facts.boot.secure_boot = secure_boot;
        let choices = Choices {
            program: Content::of(b"me"),
            gpus: crate::gpus::GpuChoice::default(),
            license: None,
            guest_tools: GuestTools::LeftOut,
        };
        let packages = vec![record(name, "twelve", PackageReason::Requested)];
        plan(&bundle("{}", packages), &facts, &choices).map_err(|error| error.to_string())
    };
    for name in ["proxmox-kernel-6.8.12-4-pve", "linux-image-6.1.0-18-amd64-unsigned"] {
        let error = made(name, SecureBoot::Enabled).unwrap_err();
        assert!(error.contains(&format!("kernel {name} is not signed")), "{error}");
        made(name, SecureBoot::Disabled).unwrap();
    }
    for name in
        ["proxmox-kernel-6.8.12-4-pve-signed", "proxmox-kernel-helper", "proxmox-kernel-6.8"]
    {
        made(name, SecureBoot::Enabled).unwrap();
    }
}
