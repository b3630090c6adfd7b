//! Reports of several nodes, written by the installer and compared by the bundler.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};
use vgpu_tests::chroot::bring;
use vgpu_tests::nodes::Node;
use vgpu_tests::scratch::{Scratch, expect};
use vgpu_tests::skip::have;

/// Returns a laptop and the reports of two nodes with the same bundle, after a file was changed on
/// the second node.
fn reports() -> Scratch {
    let scratch = Scratch::new(env!("CARGO_BIN_EXE_demo"));
    scratch.node(Node::TeslaT4);
    scratch.write("a.conf", "some = \"text\"\n");
    scratch.write(
        "bundle.toml",
        "[bundle]\nname = 'gpu'\nchannel = 'stable'\n\
         [[file]]\nname = 'etc/a.conf'\npath = 'a.conf'\n\
         [host]\n[[host.file]]\nitem = 'etc/a.conf'\npath = '/etc/a.conf'\n",
    );
    expect(scratch.bundler(&["build"]), 0);
    let bundle = scratch.path("laptop/gpu-1.vgpu.tar");
    expect(scratch.installer(&["apply", "--yes", bundle.as_str()]), 0);
    let report = |name: &str, host: &str| {
        fs::write(scratch.path("node/proc/sys/kernel/hostname"), format!("{host}\n")).unwrap();
        let path = scratch.path("laptop").join(name);
        expect(scratch.installer(&["report", "--output", path.as_str()]), 0);
    };
    report("a.json", "pve1");
    report("b.json", "pve2");
    fs::write(scratch.path("node/etc/a.conf"), "changed\n").unwrap();
    report("c.json", "pve3");
    scratch
}

#[test]
fn equal_nodes_are_equal_and_others_are_told_apart_by_name() {
    let scratch = reports();
    let same = expect(scratch.bundler(&["fleet", "compare", "a.json", "b.json"]), 0);
    assert_eq!(same.out, "");
    assert!(same.err.contains("2 nodes are the same"), "{}", same.err);

    let words = ["fleet", "compare", "a.json", "b.json", "c.json"];
    let differ = expect(scratch.bundler(&words), 5);
    assert!(differ.out.contains("\n  pve1, pve2: in-sync\n  pve3: drifted\n"), "{}", differ.out);
    assert!(differ.out.contains("/etc/a.conf"), "{}", differ.out);

    let json = expect(scratch.bundler(&[&words[..], &["--json"]].concat()), 5).out;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["nodes"][2]["name"], "pve3");
    let standing = json["differences"].as_array().unwrap().iter().find(|it| it["what"] == "state");
    assert_eq!(standing.unwrap()["values"][1]["nodes"][0], "pve3");
}

/// Writes the devices of a GPU into a report. The digest does not cover the part of one node.
fn set_devices(scratch: &Scratch, name: &str, address: &str, id: &str, cluster: &Value) {
    let path = scratch.path("laptop").join(name);
    let text = fs::read_to_string(&path).unwrap();
    let report: Value = serde_json::from_str(&text).unwrap();
    let node = report["this-node"]["host-name"].as_str().unwrap();
    let map = format!("node={node},path={address},id={id}");
    let mapping = format!("vgpu-{}", address.replace([':', '.'], "-"));
    let mapping =
        json!({ "name": mapping, "maps": [map], "cluster": cluster, "knows-migration": true });
    // This node has no vGPU types. The rest stays byte for byte, for the digest.
    let absent = "\"mappings\": []";
    assert!(text.contains(absent), "{text}");
    fs::write(&path, text.replace(absent, &format!("\"mappings\": [{mapping}]"))).unwrap();
}

#[test]
fn one_command_maps_the_gpus_of_all_nodes() {
    let scratch = reports();
    let words = ["fleet", "mappings", "a.json", "b.json"];
    let said = expect(scratch.bundler(&words), 1).err;
    assert!(said.contains("the report of pve1 has no devices for a mapping"), "{said}");

    set_devices(&scratch, "a.json", "0000:81:00.0", "10de:1eb8", &Value::Null);
    let known = json!({
        "maps": ["node=pve9,path=0000:81:00.0;0000:82:00.0,id=10de:1eb8"],
        "mdev": true,
        "migrates": true,
    });
    set_devices(&scratch, "b.json", "0000:81:00.0", "10de:1eb8", &known);
    let said = expect(scratch.bundler(&words), 0);
    assert_eq!(
        said.out,
        "# vgpu-0000-81-00-0: pve1, pve2\n\
         pvesh set /cluster/mapping/pci/vgpu-0000-81-00-0 --mdev 1 \
         --map 'node=pve9,path=0000:81:00.0;0000:82:00.0,id=10de:1eb8' \
         --map node=pve1,path=0000:81:00.0,id=10de:1eb8 \
         --map node=pve2,path=0000:81:00.0,id=10de:1eb8\n"
    );

    set_devices(&scratch, "c.json", "0000:c1:00.0", "10de:1eb8", &Value::Null);
    let all = ["fleet", "mappings", "a.json", "b.json", "c.json", "--name", "t4", "--json"];
    let json = expect(scratch.bundler(&all), 0).out;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["mappings"][0]["nodes"], json!(["pve1", "pve2", "pve3"]));
    let command = json["mappings"][0]["commands"][0].as_str().unwrap();
    assert!(
        command.starts_with("pvesh create /cluster/mapping/pci --id t4 --mdev 1 "),
        "{command}"
    );
    assert_eq!(command.matches("--map ").count(), 3);
    assert!(!command.contains("pve9"), "{command}");
}

#[test]
fn different_gpus_get_no_common_mapping_and_no_map_has_a_second_line() {
    let scratch = reports();
    set_devices(&scratch, "a.json", "0000:81:00.0", "10de:1eb8", &Value::Null);
    set_devices(&scratch, "b.json", "0000:81:00.0", "10de:2235", &Value::Null);
    set_devices(&scratch, "c.json", "0000:81:00.0", "10de:1eb8\nreboot", &Value::Null);
    let mappings = |files: &[&str], code| {
        expect(scratch.bundler(&[&["fleet", "mappings"], files].concat()), code).err
    };
    let said = mappings(&["a.json", "b.json"], 5);
    assert!(said.contains("different GPUs: 10de:1eb8 on pve1, and 10de:2235 on pve2"), "{said}");
    let said = mappings(&["c.json"], 1);
    assert!(said.contains("has a control character"), "{said}");
}

#[test]
fn a_report_that_was_changed_is_not_compared() {
    let scratch = reports();
    let path = scratch.path("laptop/b.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen("\"in-sync\"", "\"drifted\"", 1)).unwrap();
    let said = expect(scratch.bundler(&["fleet", "compare", "a.json", "b.json"]), 3).err;
    assert!(said.contains("`b.json` was changed after it was written"), "{said}");
    fs::write(&path, "{}").unwrap();
    let said = expect(scratch.bundler(&["fleet", "compare", "a.json", "b.json"]), 1).err;
    assert!(said.contains("`b.json` is not a report"), "{said}");
}

#[test]
fn signatures_of_reports_must_hold_and_can_be_demanded() {
    if !have("ssh-keygen") {
        return;
    }
    let scratch = reports();
    let keygen = |words: &[&str]| {
        let mut command = Command::new("ssh-keygen");
        command.args(words).current_dir(scratch.path("laptop"));
        expect(command, 0)
    };
    let compare = |more: &[&str], code| {
        let words = [&["fleet", "compare", "a.json", "b.json"], more].concat();
        expect(scratch.bundler(&words), code)
    };
    keygen(&["-q", "-t", "ed25519", "-N", "", "-C", "pve1", "-f", "node-key"]);
    keygen(&["-q", "-Y", "sign", "-f", "node-key", "-n", "vgpu-report", "a.json"]);
    assert!(compare(&["--json"], 0).out.contains("\"signed-by\": \"SHA256:"));
    let said = compare(&["--signed"], 3).err;
    assert!(said.contains("`a.json` has no signature by a principal"), "{said}");

    let signers = scratch.path("config/vgpu-offline/allowed_signers");
    let key = fs::read_to_string(scratch.path("laptop/node-key.pub")).unwrap();
    let line = format!("pve1 namespaces=\"vgpu-report\" {key}");
    fs::write(&signers, fs::read_to_string(&signers).unwrap() + &line).unwrap();
    let said = compare(&["--signed"], 3).err;
    assert!(said.contains("`b.json` has no signature by a principal"), "{said}");
    keygen(&["-q", "-Y", "sign", "-f", "node-key", "-n", "vgpu-report", "b.json"]);
    assert!(compare(&["--signed", "--json"], 0).out.contains("\"signed-by\": \"pve1\""));

    // A signature for another role, or over other bytes, does not verify.
    fs::remove_file(scratch.path("laptop/b.json.sig")).unwrap();
    keygen(&["-q", "-Y", "sign", "-f", "node-key", "-n", "vgpu-bundle", "b.json"]);
    compare(&[], 3);
    fs::copy(scratch.path("laptop/a.json.sig"), scratch.path("laptop/b.json.sig")).unwrap();
    assert!(compare(&[], 3).err.contains("is invalid"));
}

#[test]
fn a_node_signs_with_a_key_that_the_laptop_enrolls() {
    let scratch = Scratch::new(env!("CARGO_BIN_EXE_demo"));
    scratch.node(Node::TeslaT4);
    let node = scratch.path("node");
    if !bring(&node, &["ssh-keygen"]) {
        return;
    }
    // `ssh-keygen` looks up the name of its user, and opens this device.
    fs::write(node.join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n").unwrap();
    fs::create_dir_all(node.join("dev")).unwrap();
    let null = Command::new("mknod").arg(node.join("dev/null")).args(["c", "1", "3"]).status();
    assert!(null.unwrap().success());

    let report = |name: &str| {
        let path = scratch.path("laptop").join(name);
        expect(scratch.installer(&["--chroot", "report", "--sign", "--output", path.as_str()]), 0)
    };
    let said = report("a.json").err;
    let at = said.find("SHA256:").unwrap();
    let fingerprint = said[at..].split(';').next().unwrap();
    assert!(report("b.json").err.contains(fingerprint), "the key is made once");
    let key = fs::metadata(node.join("var/lib/vgpu-offline/report-key")).unwrap();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&key.permissions()) & 0o777, 0o600);

    let bundler = |words: &[&str], code| expect(scratch.bundler(words), code);
    let compare = ["fleet", "compare", "a.json", "b.json"];
    bundler(&compare, 0);
    let enroll = ["fleet", "enroll", "a.json", "--principal", "pve1"];
    assert!(bundler(&enroll, 2).err.contains("--fingerprint"));
    let other = format!("SHA256:{}", "A".repeat(43));
    assert!(
        bundler(&[&enroll[..], &["--fingerprint", &other]].concat(), 3).err.contains("swapped")
    );
    bundler(&[&enroll[..], &["--fingerprint", fingerprint, "--json"]].concat(), 0);
    assert!(
        bundler(&[&compare[..], &["--json"]].concat(), 0).out.contains("\"signed-by\": \"pve1\"")
    );

    // From now on, a signature is required.
    fs::remove_file(scratch.path("laptop/b.json.sig")).unwrap();
    let said = bundler(&compare, 3).err;
    assert!(said.contains("`b.json` has no signature") && said.contains("fleet enroll"), "{said}");
    bundler(&[&compare[..], &["--allow-unsigned"]].concat(), 0);
    assert!(
        bundler(&["fleet", "enroll", "b.json"], 1).err.contains("has no signature `b.json.sig`")
    );

    // A prepared folder runs no command.
    let path = scratch.path("laptop/c.json");
    let said = expect(scratch.installer(&["report", "--sign", "--output", path.as_str()]), 1).err;
    assert!(said.contains("only recorded"), "{said}");
    assert!(!path.exists(), "a report without its signature");
}
