//! Two nodes with different names, numbers, addresses and clocks, made identical by the same
//! bundle.

use std::fs;

use serde_json::Value;
use vgpu_tests::kit::Kit;
use vgpu_tests::programs::{Program, Programs};
use vgpu_tests::roots::{Layer, Release, Roots, with_own_mounts};
use vgpu_tests::scratch::{expect, run};

use super::bundle::{Content, Patched, wants};
use super::clock::{have_clock, set_clock};
use super::machine::{A40, Identity, Loader, Machine, PVE1};
use super::stage::{Stage, package};
use crate::node::packages::take;

const PVE2: Identity = Identity {
    host_name: "pve2",
    machine_id: "0d9e55bb1f6a4c0c9a7f3e8a5b7c6d11",
    address: "198.51.100.22",
};

#[test]
fn what_is_compared_of_two_nodes_is_the_same_to_the_byte() {
    with_own_mounts(
        "modes::identical::what_is_compared_of_two_nodes_is_the_same_to_the_byte",
        || {
            let Some(roots) = Roots::open() else { return };
            if !have_clock() {
                return;
            }
            let release = Release::Debian12;
            let Some(pristine) = roots.layered(release, Layer::BUILDER) else { return };
            let mut kit = Kit::new();
            let stage = |identity| {
                let machine = Machine { cards: &[A40], loader: Loader::Grub, identity };
                Stage::stock(pristine.fresh(), machine, &kit)
            };
            let mut stages = [stage(PVE1), stage(PVE2)];
            // In the spring of 2031.
            set_clock(stages[1].root(), 1_935_816_489);
            let tool = package(
                stages[0].root(),
                "vgpu-tool",
                "1.0",
                "",
                &[("/usr/bin/tool", "#!/bin/sh\n")],
            );
            let tool = take(&mut kit, &stages[0].root().at(&tool), "requested");
            let content = Content {
                release,
                drivers: vec!["550.163.02"],
                patched: Patched::No,
                packages: vec![tool],
                unlock: Vec::new(),
                wants: wants(),
            };
            let bundle = content.bundle(&mut kit, 1);
            let mut reports = Vec::new();
            for (number, stage) in stages.iter_mut().enumerate() {
                stage.begin(&format!("identical-{number}"));
                stage.site.insert(&bundle);
                stage.apply(&[], 10);
                stage.reboot(0);
                reports.push(report(stage));
            }
            let [one, other] = &reports[..] else { unreachable!() };
            assert_ne!(whole(one)["this-node"], whole(other)["this-node"]);
            assert_eq!(comparable(one), comparable(other));
            let folder = tempfile::tempdir().unwrap();
            let folder = camino::Utf8Path::from_path(folder.path()).unwrap();
            let programs =
                Programs::link(env!("CARGO_BIN_EXE_demo").into(), &folder.join("bin")).unwrap();
            let compare = |reports: [&String; 2]| {
                for (name, report) in ["a.json", "b.json"].iter().zip(reports) {
                    fs::write(folder.join(name), report).unwrap();
                }
                let mut command = programs.command(Program::Bundler);
                command.current_dir(folder).args(["fleet", "compare", "a.json", "b.json"]);
                command.env("HOME", folder).env("NO_COLOR", "1");
                run(command)
            };
            let same = compare([one, other]);
            assert_eq!(same.code, Some(0), "{}{}", same.out, same.err);

            // One package, one file, one kernel.
            let stage = &mut stages[1];
            let newer =
                package(stage.root(), "vgpu-tool", "1.1", "", &[("/usr/bin/tool", "#!/bin/sh\n")]);
            expect(stage.root().command(&["dpkg", "--install", &newer]), 0);
            let said = compare([one, &report(stage)]);
            assert_eq!(said.code, Some(5));
            assert!(
                said.out.contains("packages › vgpu-tool") && said.out.contains("1.1"),
                "{}",
                said.out
            );
            expect(stage.root().command(&["dpkg", "--purge", "vgpu-tool"]), 0);
            let said = compare([one, &report(stage)]);
            assert!(said.out.contains("packages › vgpu-tool"), "{}", said.out);

            stage.root().write("/etc/modprobe.d/vgpu-offline.conf", "# empty\n");
            let said = compare([one, &report(stage)]);
            assert!(said.out.contains("/etc/modprobe.d/vgpu-offline.conf › is"), "{}", said.out);

            Machine::play_kernel(stage.root(), "6.1.0-99-amd64");
            let said = compare([one, &report(stage)]);
            assert!(said.out.contains("machine › kernel\n"), "{}", said.out);
            assert!(said.out.contains("pve2: 6.1.0-99-amd64"), "{}", said.out);
        },
    );
}

/// Returns the report of a node, as printed.
fn report(stage: &mut Stage) -> String {
    expect(stage.site.command(&["report", "--json"]), 0).out
}

fn whole(report: &str) -> Value {
    serde_json::from_str(report).unwrap()
}

/// Returns the compared part of a report.
fn comparable(report: &str) -> &str {
    let start = report.find("\n  \"comparable\": ").unwrap();
    let end = report.find("\n  \"this-node\": ").unwrap();
    assert!(start < end);
    &report[start..end]
}
