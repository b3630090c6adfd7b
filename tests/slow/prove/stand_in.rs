//! The stand-in for NVIDIA's driver: a build that succeeds, and each way in which it can fail.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use camino::Utf8Path;
use serde_json::Value;
use vgpu_tests::nodes::Node;
use vgpu_tests::nvidia::StandIn;
use vgpu_tests::roots::{Mirror, Release};
use vgpu_tests::scratch::expect;
use vgpu_tests::skip::have;

use super::laptop::{Driver, Laptop, replace};

/// The driver of the recipe.
const DRIVER: &str = "535.216.01";

/// A script of DKMS that edits the kernel's list of symbols.
const EDIT: &str =
    "#!/bin/sh\nexec sed -i \"$EDIT\" /usr/src/linux-headers-*-amd64/Module.symvers\n";

/// Writes the driver of the recipe. DKMS runs a script with this edit of `Module.symvers`, before or
/// after the build.
fn with_edit(laptop: &Laptop, when: &str, edit: &str) {
    let change = |root: &Utf8Path| {
        let kernel = root.join("kernel");
        let script = EDIT.replace("\"$EDIT\"", &format!("'{edit}'"));
        fs::write(kernel.join("edit.sh"), script)?;
        let conf = kernel.join("dkms.conf");
        let text = fs::read_to_string(&conf)?;
        fs::write(conf, format!("{text}{when}=\"edit.sh\"\n"))?;
        fs::set_permissions(kernel.join("edit.sh"), fs::Permissions::from_mode(0o755))
    };
    StandIn::host(DRIVER).write_with(&laptop.path("host.run"), &change).unwrap();
}

#[test]
fn a_build_is_recorded_and_each_failure_is_explained() {
    if !["mmdebstrap", "unshare", "gpgv"].into_iter().all(have) {
        return;
    }
    let Some(mirror) = Mirror::of_machine() else { return };
    let patch = "[[patch]]\nname = \"driver/patch\"\npath = \"patch\"\n\n";
    let driver = Driver { version: DRIVER, release: "16.8" };
    let Some(laptop) = Laptop::new(&mirror, Release::Debian12, driver, patch) else { return };
    let stand_in = StandIn::host(DRIVER);
    stand_in.write(&laptop.path("host.run")).unwrap();
    laptop.write("patch", &stand_in.patch());
    laptop.lock();

    let said = laptop.prove(0);
    assert!(said.err.contains("] install packages: "), "{}", said.err);
    let proof = Laptop::proof(&said);
    let kernel = proof["kernel"].as_str().unwrap().to_owned();
    assert!(kernel.starts_with("6.1.") && kernel.ends_with("-amd64"), "{kernel}");
    let names: Vec<_> =
        proof["module"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["nvidia", "nvidia_vgpu_vfio"]);
    assert!(proof["compiler"].as_str().unwrap().starts_with("gcc "), "{proof}");
    let built = format!("driver {DRIVER}: built for {kernel} on the laptop");
    assert!(said.err.contains(&built), "{}", said.err);

    // The lock, and so the bundle, has it.
    let lock = fs::read_to_string(laptop.path("bundle.lock")).unwrap();
    assert!(lock.contains("[[proof]]") && lock.contains(&kernel), "{lock}");
    let before = ["catalog", "why", "--gpu", "10de:1eb8", "--driver", "16.8", "--kernel", &kernel];
    let without = laptop.run(&before, 0).out;
    assert!(!without.contains("built for"), "{without}");
    let why = laptop.run(&[&before[..], &["--lock", "bundle.lock"]].concat(), 0).out;
    assert!(why.contains(&built), "{why}");
    // The second run uses the cached root, and keeps the sequence.
    let said = laptop.lock();
    assert!(said.err.contains("is up to date"), "{}", said.err);
    laptop.run(&["build"], 0);
    let bundle = laptop.path("gpu-2.vgpu.tar");
    let said = laptop.run(&["inspect", "--json", bundle.as_str()], 0).out;
    let report: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(report["manifest"]["proof"][0], proof);

    // The node says so.
    let scratch = laptop.scratch();
    Node::TeslaT4.write(&scratch.path("node")).unwrap();
    scratch.trust_alice();
    let words = ["check", bundle.as_str(), "--kernel", &kernel];
    let said = vgpu_tests::scratch::run(scratch.installer(&words));
    assert!(said.out.contains(&built), "{}{}", said.out, said.err);

    // A source that does not compile.
    let change = |root: &Utf8Path| {
        let source = root.join("kernel/nvidia/nv.c");
        replace(&source, "pr_info(\"stand-in %s loaded", "pr_infa(\"stand-in %s loaded")
    };
    stand_in.write_with(&laptop.path("host.run"), &change).unwrap();
    laptop.lock();
    let lock = fs::read_to_string(laptop.path("bundle.lock")).unwrap();
    assert!(!lock.contains("[[proof]]"), "a proof of another driver is kept");
    let said = laptop.prove(4).err;
    assert!(said.contains("does not build for kernel"), "{said}");
    let source = include_str!("../../kit/nvidia/payload/kernel/nv.c");
    let at = source.lines().position(|line| line.contains("pr_info(\"stand-in %s loaded")).unwrap();
    let place = format!("`nvidia/nv.c` line {}: ", at + 1);
    assert!(said.contains(&place) && said.contains("pr_infa"), "{said}");

    // A kernel without a symbol, and one with another type of it.
    with_edit(&laptop, "PRE_BUILD", r"/\t_printk\t/d");
    laptop.lock();
    let said = laptop.prove(4).err;
    assert!(said.contains("`nvidia.ko` needs the symbol `_printk`"), "{said}");
    with_edit(&laptop, "POST_BUILD", r"s/^0x[0-9a-f]*\t_printk\t/0x00000001\t_printk\t/");
    laptop.lock();
    let said = laptop.prove(4).err;
    assert!(
        said.contains("needs the symbol `_printk`: the kernel exports it with checksum 0x00000001"),
        "{said}"
    );
    expect(scratch.bundler(&["cache", "verify"]), 0);
}
