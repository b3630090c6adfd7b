//! From a node to a matching recipe, and checks of a bundle against a node: with the real programs.

use std::fs;
use std::process::Command;

use serde_json::Value;
use vgpu_manifest::inventory::Inventory;
use vgpu_manifest::platform::RootFs;
use vgpu_manifest::verdict::{PoolFeatures, Target};
use vgpu_tests::nodes::Node;
use vgpu_tests::nvidia::StandIn;
use vgpu_tests::scratch::{Said, Scratch, expect, run};
use vgpu_tests::skip;

/// Returns a laptop with the inventory of a node.
fn scratch(node: Node) -> Scratch {
    let scratch = Scratch::new(env!("CARGO_BIN_EXE_demo"));
    scratch.node(node);
    let inventory = scratch.path("laptop/node.json");
    expect(scratch.installer(&["inventory", "-o", inventory.as_str()]), 0);
    scratch
}

/// Installs on the node the packages that a driver needs on its kernel.
pub(crate) fn equip(scratch: &Scratch, kernel: &str) {
    let path = scratch.path("node/var/lib/dpkg/status");
    let mut status = fs::read_to_string(&path).unwrap();
    for name in ["dkms", "gcc", "make", &format!("proxmox-headers-{kernel}")] {
        let state = "Status: install ok installed\nArchitecture: amd64\nVersion: 1\n";
        status.extend(["\nPackage: ", name, "\n", state]);
    }
    fs::write(path, status).unwrap();
}

/// Runs `init` in November 2026, because proposals depend on the drivers that NVIDIA supports.
pub(crate) fn init(scratch: &Scratch, more: &[&str]) -> Said {
    let words = [&["init", "--name", "gpu", "--inventory", "node.json"], more].concat();
    let mut command = scratch.bundler(&words);
    command.env("SOURCE_DATE_EPOCH", "1796040000");
    run(command)
}

/// Returns the long form of the recipe.
pub(crate) fn recipe(scratch: &Scratch) -> String {
    expect(scratch.bundler(&["expand"]), 0).out
}

/// Returns the bundle of the recipe, with a stand-in for NVIDIA's driver and text for everything
/// else.
pub(crate) fn build(scratch: &Scratch, more: &[&str]) -> String {
    let text = recipe(scratch);
    let inputs = text.lines().filter_map(|line| line.strip_prefix("path = \"")?.strip_suffix('"'));
    for path in inputs {
        scratch.write(path, path);
        if let Some(version) = driver_version(path) {
            StandIn::host(version).write(&scratch.path("laptop").join(path)).unwrap();
        }
    }
    let name = expect(scratch.bundler(&[&["build"], more].concat()), 0).out;
    scratch.path("laptop").join(name.trim()).into_string()
}

/// Returns the version in the name of a host driver.
fn driver_version(path: &str) -> Option<&str> {
    path.strip_prefix("inputs/NVIDIA-Linux-x86_64-")?.strip_suffix("-vgpu-kvm.run")
}

fn json(said: &Said) -> Value {
    serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {said:?}"))
}

#[test]
fn every_node_gets_a_recipe_or_the_reason_why_not() {
    let mut told = Vec::new();
    for node in Node::ALL {
        let scratch = scratch(node);
        let said = init(&scratch, &[]);
        let line = match said.code {
            Some(0) => said.err.lines().next().unwrap().to_owned(),
            _ => format!("{:?} {}", said.code.unwrap(), said.err.lines().next().unwrap()),
        };
        told.push(format!("{}: {line}", node.name()));
    }
    let expected = include_str!("suitability/proposals.txt");
    assert_eq!(told.join("\n") + "\n", expected);
}

#[test]
fn a_recipe_says_what_for_what_else_and_why_not_otherwise() {
    let scratch = scratch(Node::TwoP40);
    let said = init(&scratch, &["--driver", "16.9"]);
    assert_eq!(said.code, Some(0));
    for says in [
        "why not another driver:",
        "  18.0-18.6   vGPU 18.0-18.6 does not support Tesla P40; 16.0-16.14 do",
        "also works, with the GPU in mode unlock",
        "also works (older)",
    ] {
        assert!(said.err.contains(says), "{says} is not in\n{said:?}");
    }
    let written = fs::read_to_string(scratch.path("laptop/bundle.toml")).unwrap();
    assert!(written.starts_with("[bundle]\nname = \"gpu\"\n"), "{written}");
    assert!(written.lines().count() < 20 && !written.contains("18.0"), "{written}");
    let (before, hidden) = written.split_once("the leading `# `:\n").unwrap();
    scratch.write("bundle.toml", format!("{before}\n{}", hidden.replace("# ", "")));
    let text = recipe(&scratch);
    for says in [
        "name = \"driver/NVIDIA-Linux-x86_64-535.230.02-vgpu-kvm.run\"",
        "\"pve-headers-5.15.158-2-pve\"",
        "release = \"bullseye\"",
        "name = \"bullseye-updates\"",
        "driver = \"16.9\"",
        "pve = \"7.4\"",
        "iommu = \"on\"",
        "[[driver]]",
        "modprobe = [\"blacklist nouveau\", \"options nouveau modeset=0\"]",
    ] {
        assert!(text.contains(says), "{says} is not in\n{text}");
    }
    // Two equal GPUs are one target.
    assert_eq!(text.matches("gpu = [\"10de:1b38\"]").count(), 1, "{text}");
}

#[test]
fn what_a_node_was_proposed_fits_it_and_no_other() {
    if !skip::have("xz") {
        return;
    }
    let laptop = scratch(Node::TeslaT4);
    assert_eq!(init(&laptop, &[]).code, Some(0));
    let bundle = build(&laptop, &[]);
    let lacks = expect(laptop.installer(&["check", &bundle]), 4).out;
    assert!(lacks.contains("needs dkms, gcc, make, proxmox-headers-6.8.12-43-pve"), "{lacks}");
    equip(&laptop, "6.8.12-43-pve");
    let fits = expect(laptop.installer(&["check", &bundle]), 0).out;
    assert!(fits.starts_with("fits this node: vGPU "), "{fits}");
    assert!(fits.contains("\nnative: Tesla T4"), "{fits}");
    let document = json(&expect(laptop.installer(&["check", &bundle, "--json"]), 0));
    assert_eq!(document["fits"], true);
    assert_eq!(document["gpus"][0]["verdict"], "suitable");

    // In advance: the same driver with a kernel that it does not build on.
    let args = ["check", &bundle, "--driver", "16.9", "--kernel", "6.17.13-21-pve"];
    let said = expect(laptop.installer(&args), 4).out;
    assert!(said.starts_with("does not fit this node"), "{said}");
    assert!(said.contains("do not build on 6.17.13-21-pve") || said.contains("not a kernel of"));
    assert!(said.contains("\n  instead     "), "{said}");
    let document = json(&expect(laptop.installer(&[&args[..], &["--json"]].concat()), 4));
    assert_eq!((&document["fits"], &document["kernel"]), (&false.into(), &"6.17.13-21-pve".into()));

    // No bundle is applied yet, so the command needs one as an argument.
    let nothing = run(laptop.installer(&["check"]));
    assert_eq!(nothing.code, Some(2));
    expect(laptop.installer(&["apply", "--yes", &bundle]), 10);
    fs::remove_file(&bundle).unwrap();
    let applied = expect(laptop.installer(&["check"]), 0).out;
    assert_eq!(
        applied.lines().skip(1).collect::<Vec<_>>(),
        fits.lines().skip(1).collect::<Vec<_>>()
    );
    expect(laptop.installer(&["check", "--driver", "16.9", "--kernel", "6.17.13-21-pve"]), 4);
}

/// Runs `check`, `plan`, `apply`, `status` and `report`, which must agree on whether the bundle fits.
/// Returns the exit status of `check`.
fn agree(scratch: &Scratch, bundle: &str) -> i32 {
    let check = run(scratch.installer(&["check", bundle, "--json"]));
    let plan = run(scratch.installer(&["plan", bundle]));
    let apply = run(scratch.installer(&["apply", "--yes", bundle]));
    let code = check.code.unwrap();
    assert_eq!(plan.code, Some(code), "{check:?}\n{plan:?}");
    if code != 0 {
        assert_eq!((code, apply.code), (4, Some(4)), "{check:?}\n{apply:?}");
        assert!(expect(scratch.installer(&["status"]), 0).out.starts_with("nothing"), "{apply:?}");
        let forced = ["apply", "--yes", bundle, "--allow-unsuitable"];
        let forced = run(scratch.installer(&forced));
        if forced.code != Some(10) {
            // No GPU, or a driver that only the operator can remove: refused before any change.
            let status = expect(scratch.installer(&["status"]), 0).out;
            assert!(status.starts_with("nothing"), "{forced:?}");
            return code;
        }
        // Steps whose commands are only recorded here are not in sync.
        let status = json(&run(scratch.installer(&["status", "--json"])));
        let overridden = status["applied"]["overridden"].as_array().unwrap();
        assert!(!overridden.is_empty(), "{status}");
        return code;
    }
    assert_eq!(apply.code, Some(10), "{apply:?}");
    let check = json(&check);
    let status = json(&expect(scratch.installer(&["status", "--json"]), 10));
    let report = json(&expect(scratch.installer(&["report", "--json"]), 0));
    assert_eq!(status["fit"], report["comparable"]["fit"]);
    for part in ["driver", "kernel", "objections"] {
        assert_eq!(status["fit"][part], check[part], "{part}");
    }
    // Each NVIDIA GPU is used or named.
    let facts = json(&expect(scratch.installer(&["inventory"]), 0));
    let gpus = facts["gpus"].as_array().unwrap().iter();
    let nvidia = gpus.filter(|gpu| gpu["id"].as_str().unwrap().starts_with("10de:")).count();
    let [used, named] = ["gpus", "left-alone"].map(|part| check[part].as_array().unwrap().len());
    assert_eq!(used + named, nvidia, "{check}");
    code
}

#[test]
fn all_commands_agree_on_every_node() {
    if !skip::have("xz") {
        return;
    }
    let mut codes = Vec::new();
    let laptop = scratch(Node::TeslaT4);
    assert_eq!(init(&laptop, &[]).code, Some(0));
    let targeted = build(&laptop, &[]);
    let text = recipe(&laptop);
    let (targets, host) = (text.find("\n[targets]").unwrap(), text.find("\n[host]").unwrap());
    laptop.write("bundle.toml", format!("{}{}", &text[..targets], &text[host..]));
    expect(laptop.bundler(&["lock"]), 0);
    let any = build(&laptop, &["--output", "any.vgpu.tar"]);
    let root = laptop.path("node");
    for node in Node::ALL {
        for (bundle, is_equipped) in [(&targeted, true), (&any, true), (&any, false)] {
            fs::remove_dir_all(&root).unwrap();
            node.write(&root).unwrap();
            laptop.trust_alice();
            if is_equipped {
                let facts = json(&expect(laptop.installer(&["inventory"]), 0));
                equip(&laptop, facts["kernels"]["running"].as_str().unwrap());
            }
            codes.push(agree(&laptop, bundle));
        }
    }
    let fits = codes.iter().filter(|code| **code == 0).count();
    assert!(fits >= 3 && codes.len() - fits >= 20, "{codes:?}");
}

#[test]
fn status_and_report_say_that_an_applied_bundle_no_longer_fits() {
    if !skip::have("xz") {
        return;
    }
    let here = scratch(Node::TeslaT4);
    let stock = fs::read_to_string(here.path("node/var/lib/dpkg/status")).unwrap();
    equip(&here, "6.8.12-43-pve");
    assert_eq!(init(&here, &[]).code, Some(0));
    let bundle = build(&here, &[]);
    expect(here.installer(&["apply", "--yes", &bundle]), 10);
    let status = expect(here.installer(&["status"]), 10).out;
    assert!(!status.contains("does not fit"), "{status}");
    fs::write(here.path("node/var/lib/dpkg/status"), stock).unwrap();
    for command in ["status", "report"] {
        let said = run(here.installer(&[command])).out;
        assert!(said.contains("the driver needs dkms, gcc, make"), "{said}");
    }
}

#[test]
fn targets_and_driver_must_be_of_one_release() {
    if !skip::have("xz") {
        return;
    }
    let here = scratch(Node::TeslaT4);
    assert_eq!(init(&here, &["--driver", "20.1"]).code, Some(0));
    build(&here, &[]);
    here.write("bundle.toml", recipe(&here).replace("driver = \"20.1\"", "driver = \"20.0\""));
    let said = expect(here.bundler(&["lock"]), 4).err;
    assert!(said.contains("for vGPU 20.0 (595.58.02), but it has 595.71.03"), "{said}");
    assert!(said.contains("hint: set `driver = \"20.1\"` in `[targets]`"), "{said}");
    // The installed driver must support the GPU too: it is not patched.
    let words = ["init", "--name", "b", "-r", "b.toml", "--gpu", "1e07", "--driver", "20.0"];
    expect(here.bundler(&words), 0);
    let text = expect(here.bundler(&["expand", "-r", "b.toml"]), 0).out;
    let patched = text.find("[[patch]]").unwrap();
    let targets = text.find("[targets]").unwrap();
    here.write("bundle.toml", format!("{}{}", &text[..patched], &text[targets..]));
    let path = "laptop/inputs/NVIDIA-Linux-x86_64-595.58.02-vgpu-kvm.run";
    StandIn::host("595.58.02").write(&here.path(path)).unwrap();
    let said = expect(here.bundler(&["lock"]), 4).err;
    assert!(said.contains("needs the unlock patch"), "{said}");
}

/// Writes a stand-in for a host driver to `inputs/`, and returns its path.
fn host(scratch: &Scratch, version: &str) -> String {
    let path = format!("inputs/NVIDIA-Linux-x86_64-{version}-vgpu-kvm.run");
    scratch.write(&path, "");
    StandIn::host(version).write(&scratch.path("laptop").join(&path)).unwrap();
    path
}

#[test]
fn the_driver_file_decides_on_the_release() {
    if !skip::have("xz") {
        return;
    }
    let here = scratch(Node::TeslaT4);
    let path = host(&here, "550.144.02");
    let both = init(&here, &["--driver", "18.6", "--driver-file", &path]);
    assert_eq!(both.code, Some(2), "{both:?}");
    assert!(both.err.contains("the host driver 550.144.02 of vGPU 17.5"), "{both:?}");
    let said = init(&here, &["--driver-file", &path]);
    assert!(said.err.contains("vGPU 17.5 for 1 GPU"), "{said:?}");
    assert!(
        recipe(&here).contains("name = \"driver/NVIDIA-Linux-x86_64-550.144.02-vgpu-kvm.run\"")
    );
}

#[test]
fn a_driver_that_is_newer_than_the_catalogue_is_installed_unverified() {
    if !skip::have("xz") {
        return;
    }
    let here = scratch(Node::TeslaT4);
    equip(&here, "6.8.12-43-pve");
    let path = host(&here, "580.999.01");
    let said = init(&here, &["--driver-file", &path]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let text = recipe(&here);
    assert!(text.contains("driver = \"19.x\""), "{text}");
    let doubt = "vGPU 19.x (580.999.01) is newer than the catalog";
    assert!(said.err.contains(&format!("unverified: {doubt}")), "{said:?}");
    let bundle = build(&here, &[]);
    let fits = expect(here.installer(&["check", &bundle]), 0).out;
    assert!(fits.starts_with("fits this node: vGPU 19.x"), "{fits}");
    assert!(fits.contains("native, unverified: Tesla T4") && fits.contains(doubt), "{fits}");
    let plan = expect(here.installer(&["plan", &bundle]), 0).out;
    assert!(plan.contains("580.999.01"), "{plan}");

    // The driver in the bundle is enough, without declared targets.
    let declared = text.find("\n[targets]").unwrap();
    let host = text.find("\n[host]").unwrap();
    here.write("bundle.toml", format!("{}{}", &text[..declared], &text[host..]));
    expect(here.bundler(&["lock"]), 0);
    let bundle = build(&here, &[]);
    let fits = expect(here.installer(&["check", &bundle]), 0).out;
    assert!(fits.starts_with("fits this node: vGPU 19.x"), "{fits}");
    let plan = expect(here.installer(&["plan", &bundle]), 0).out;
    assert!(plan.contains("580.999.01"), "{plan}");
}

#[test]
fn a_driver_of_an_unknown_branch_is_refused_and_not_left_out() {
    if !skip::have("xz") {
        return;
    }
    let here = scratch(Node::TeslaT4);
    let path = host(&here, "610.43.02");
    let said = init(&here, &["--driver-file", &path]);
    assert_eq!(said.code, Some(4), "{said:?}");
    let recipe = format!(
        "[bundle]\nname = 'gpu'\nchannel = 'stable'\n[[driver]]\nname = 'driver/a.run'\npath = '{path}'\n"
    );
    here.write("bundle.toml", recipe);
    let name = expect(here.bundler(&["build"]), 0).out;
    let bundle = here.path("laptop").join(name.trim()).into_string();
    let said = run(here.installer(&["plan", &bundle]));
    assert_eq!(said.code, Some(4), "{said:?}");
    assert!(said.err.contains("no host driver listed in its catalog"), "{said:?}");
}

#[test]
fn lock_names_what_the_bundle_lacks_for_its_targets() {
    if !skip::have("xz") {
        return;
    }
    let here = scratch(Node::TeslaT4);
    let path = host(&here, "580.999.01");
    let recipe = format!(
        "[bundle]\nname = 'gpu'\nchannel = 'stable'\n[[driver]]\nname = 'driver/a.run'\n\
         path = '{path}'\n[targets]\ngpu = ['10de:1eb8']\ndriver = '19.x'\n"
    );
    here.write("bundle.toml", &recipe);
    let said = expect(here.bundler(&["lock"]), 0).err;
    assert!(said.contains("warning: the bundle lacks dkms, gcc, make, proxmox-default"), "{said}");
    let overrides = "[host.overrides.vm.100]\nfrl_enabled = 0\n";
    here.write("bundle.toml", format!("{recipe}{overrides}"));
    let said = expect(here.bundler(&["lock"]), 4).err;
    assert!(said.contains("`[host.overrides]` needs an unlock library"), "{said}");
    assert!(said.contains("hint: add an `[[unlock]]` table to the recipe"), "{said}");
}

#[test]
fn a_bundle_for_other_cards_does_not_fit() {
    if !skip::have("xz") {
        return;
    }
    let here = scratch(Node::Gtx1080WithIgpu);
    let other = ["--gpu", "10de:1eb8", "--driver", "20.1"];
    let words = ["init", "--name", "gpu", "--inventory", "node.json"];
    expect(here.bundler(&[&words[..], &other].concat()), 0);
    let bundle = build(&here, &[]);
    let said = run(here.installer(&["check", &bundle]));
    assert_eq!(said.code, Some(4), "{said:?}");
    assert!(said.err.contains("is made for Tesla T4 (10de:1eb8), but this node has"), "{said:?}");
}

#[test]
fn the_catalogue_of_the_bundle_answers_without_declared_targets() {
    let here = scratch(Node::A2AndGt710);
    here.write("note", "x");
    here.write(
        "bundle.toml",
        "[bundle]\nname = 'gpu'\nchannel = 'stable'\n[[file]]\nname = 'note'\npath = 'note'\n",
    );
    let bundle = build(&here, &[]);
    let said = run(here.installer(&["check", &bundle]));
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains("hint: select one: `--driver 16.9`"), "{said:?}");
    let fits = expect(here.installer(&["check", &bundle, "--driver", "18.4"]), 0).out;
    assert!(fits.contains("left alone: 10de:128b"), "{fits}");
}

#[test]
fn a_damaged_catalogue_is_no_answer() {
    if !skip::have("xz") {
        return;
    }
    let here = scratch(Node::TeslaT4);
    assert_eq!(init(&here, &[]).code, Some(0));
    let bundle = build(&here, &[]);
    let mut bytes = fs::read(&bundle).unwrap();
    let at = bytes.windows(15).rposition(|window| window == b"SQLite format 3").unwrap();
    bytes[at + 5000] ^= 1;
    fs::write(&bundle, bytes).unwrap();
    let said = run(here.installer(&["check", &bundle]));
    assert_eq!(said.code, Some(3), "{said:?}");
    assert!(said.err.contains("catalog.sqlite"), "{said:?}");
}

#[test]
fn an_inventory_is_a_question_too() {
    let here = scratch(Node::A40);
    let words = ["catalog", "why", "--gpu", "10de:2235", "--inventory", "node.json", "--driver"];
    let said = expect(here.bundler(&[&words[..], &["20.1"]].concat()), 0).out;
    assert!(said.contains("(in /etc/kernel/cmdline)"), "{said}");
    // Explicit arguments take precedence.
    let more = ["20.1", "--boot-loader", "grub", "--kernel", "6.14.11-9-pve"];
    let said = expect(here.bundler(&[&words[..], &more[..]].concat()), 0).out;
    assert!(said.contains("(in /etc/default/grub.d)") && said.contains("6.14.11-9-pve"), "{said}");
    here.write("node.json", "{}");
    let said = run(here.bundler(&[&words[..], &["20.1"]].concat()));
    assert!(said.err.contains("cannot use the inventory `node.json`"), "{said:?}");
}

#[test]
fn headers_in_the_bundle_decide_on_the_node() {
    if !skip::have("dpkg-deb") {
        return;
    }
    let here = scratch(Node::Rtx2080Ti);
    let source = "headers/usr/src/linux-headers-6.8.12-43-pve";
    let control = "Package: headers\nVersion: 1\nArchitecture: amd64\nMaintainer: a <a@b>\n\
                   Description: test\n";
    here.write("headers/DEBIAN/control", control);
    let config = "CONFIG_VFIO_IOMMU_TYPE1=m\nCONFIG_KVM_VFIO=y\nCONFIG_VFIO_PCI_CORE=m\n";
    here.write(&format!("{source}/include/config/auto.conf"), config);
    here.write(&format!("{source}/Module.symvers"), "0x1\tother\tvmlinux\tEXPORT_SYMBOL\t\n");
    let mut pack = Command::new("dpkg-deb");
    pack.args(["--root-owner-group", "--build", "headers", "headers.deb"]);
    pack.current_dir(here.path("laptop"));
    expect(pack, 0);
    let recipe = "[bundle]\nname = 'gpu'\nchannel = 'stable'\n[[file]]\n\
                  name = 'apt/proxmox-headers-6.8.12-43-pve.deb'\npath = 'headers.deb'\n\
                  [targets]\ngpu = ['10de:1e07']\ndriver = '16.9'\n";
    here.write("bundle.toml", recipe);
    let name = expect(here.bundler(&["build"]), 0).out;
    let bundle = here.path("laptop").join(name.trim()).into_string();
    // The targets name no kernel, so the result depends on the node.
    let said = expect(here.installer(&["check", &bundle]), 4).out;
    assert!(said.contains("needs `enable_apicv`, which 6.8.12-43-pve does not export"), "{said}");
    let said = expect(here.installer(&["check", &bundle, "--kernel", "6.5.13-6-pve"]), 0).out;
    assert!(said.contains("\nunlock: GeForce RTX 2080 Ti"), "{said}");
}

/// The pool has at most the features of its module, so only missing features are certain.
#[test]
fn a_pool_is_classic_only_if_its_module_knows_nothing_newer() {
    let target = |node| {
        let json = fs::read(scratch(node).path("laptop/node.json")).unwrap();
        let target = Target::from(&Inventory::from_json(&json).unwrap());
        (target.root, target.pool)
    };
    assert_eq!(target(Node::A40), (Some(RootFs::Zfs), None));
    assert_eq!(target(Node::A2AndGt710), (Some(RootFs::Zfs), Some(PoolFeatures::Classic)));
    assert_eq!(target(Node::TeslaT4), (Some(RootFs::Ext4), None));
}
