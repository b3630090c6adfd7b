//! A delta bundle from the laptop to the node: `build --since`, the stick, and the report back.

use std::fs;

use camino::Utf8PathBuf;
use serde_json::Value;
use vgpu_tests::nodes::Node;
use vgpu_tests::sample::noise;
use vgpu_tests::scratch::{Scratch, expect};

/// Returns a laptop whose first bundle is on the node, with the report of the node, and a recipe whose
/// small file has changed since.
fn scene() -> Scratch {
    let scratch = Scratch::new(env!("CARGO_BIN_EXE_demo"));
    scratch.node(Node::TeslaT4);
    scratch.write("large", noise(1, 5 << 20));
    scratch.write("small", "one\n");
    let file = |name: &str| {
        format!(
            "[[file]]\nname = 'files/{name}'\npath = '{name}'\n\
             [[host.file]]\nitem = 'files/{name}'\npath = '/etc/{name}'\n"
        )
    };
    let head = "[bundle]\nname = 'gpu'\nchannel = 'stable'\n";
    scratch.write("bundle.toml", [head, &file("large"), &file("small")].concat());
    expect(scratch.bundler(&["build"]), 0);
    let full = laptop(&scratch, "gpu-1.vgpu.tar");
    expect(scratch.installer(&["apply", "--yes", full.as_str()]), 0);
    let report = laptop(&scratch, "pve1.json");
    expect(scratch.installer(&["report", "--output", report.as_str()]), 0);
    scratch.write("small", "two\n");
    expect(scratch.bundler(&["update"]), 0);
    scratch
}

fn laptop(scratch: &Scratch, name: &str) -> Utf8PathBuf {
    scratch.path("laptop").join(name)
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn an_update_is_as_small_as_its_change_and_arrives_by_stick() {
    let scratch = scene();
    let since = ["build", "--since", "gpu-1.vgpu.tar"];
    let said = expect(scratch.bundler(&[&since[..], &["--check"]].concat()), 0);
    assert_eq!(said.out, "./gpu-2.delta.vgpu.tar\n");
    for words in [
        "left out: 1 item, 5.0 MiB, of bundle gpu 1 (digest",
        "both bundles are identical",
        "next: vgpu-bundler write /media/stick ./gpu-2.delta.vgpu.tar",
    ] {
        assert!(said.err.contains(words), "{words}: {}", said.err);
    }
    let delta = laptop(&scratch, "gpu-2.delta.vgpu.tar");
    let bytes = fs::read(&delta).unwrap();
    // Of which the catalog is most.
    assert!(bytes.len() < 1 << 20, "{}", bytes.len());

    // A report of the node gives the same bundle.
    let made = expect(scratch.bundler(&["build", "--since", "pve1.json", "--json"]), 0).out;
    let made = json(&made);
    assert_eq!(made["left-out"][0]["bundle"]["name"], "gpu");
    assert_eq!(made["left-out"][0]["items"], 1);
    assert!(fs::read(&delta).unwrap() == bytes);

    let verified = expect(scratch.bundler(&["verify", "gpu-2.delta.vgpu.tar"]), 0).out;
    assert!(verified.contains("carried: 2 of 3 items, "), "{verified}");
    assert!(
        verified.contains("left out, and expected on the node: 1 item, 5.0 MiB, of bundle gpu 1"),
        "{verified}"
    );
    let shown =
        json(&expect(scratch.bundler(&["inspect", "--json", "gpu-2.delta.vgpu.tar"]), 0).out);
    assert_eq!(shown["left-out"][0]["size"], 5 << 20);
    assert_eq!(shown["manifest"]["items"][0]["base"]["sequence"], 1);
    let changes =
        expect(scratch.bundler(&["diff", "gpu-1.vgpu.tar", "gpu-2.delta.vgpu.tar"]), 0).out;
    assert!(changes.contains("files/small") && !changes.contains("files/large"), "{changes}");

    expect(scratch.bundler(&["extract", "gpu-2.delta.vgpu.tar", "-o", "out"]), 0);
    assert_eq!(fs::read(laptop(&scratch, "out/files/small")).unwrap(), b"two\n");
    assert!(!laptop(&scratch, "out/files/large").exists());
    let words = ["extract", "gpu-2.delta.vgpu.tar", "files/large", "-o", "out"];
    let said = expect(scratch.bundler(&words), 1).err;
    assert!(said.contains("`files/large` is not in this bundle, but in bundle gpu 1"), "{said}");

    let stick = scratch.path("stick");
    fs::create_dir(&stick).unwrap();
    let words = ["write", stick.as_str(), "gpu-2.delta.vgpu.tar", "--no-installer"];
    expect(scratch.bundler(&words), 0);
    let page = fs::read_to_string(stick.join("START-HERE.txt")).unwrap();
    assert!(page.contains("without 1 item that the node must have from gpu 1"), "{page}");
    let arrived = stick.join("gpu-2.delta.vgpu.tar");
    expect(scratch.installer(&["apply", "--yes", arrived.as_str()]), 0);
    assert_eq!(fs::read(scratch.path("node/etc/small")).unwrap(), b"two\n");
    assert_eq!(fs::metadata(scratch.path("node/etc/large")).unwrap().len(), 5 << 20);

    // The base of a later delta is still the bundle that has the payload.
    scratch.write("small", "three\n");
    expect(scratch.bundler(&["update"]), 0);
    let report = laptop(&scratch, "pve1.json");
    expect(scratch.installer(&["report", "--output", report.as_str()]), 0);
    let mut bundles = Vec::new();
    for since in ["gpu-2.delta.vgpu.tar", "pve1.json"] {
        let said = expect(scratch.bundler(&["build", "--since", since]), 0);
        assert!(said.err.contains("left out: 1 item, 5.0 MiB, of bundle gpu 1 "), "{}", said.err);
        bundles.push(fs::read(laptop(&scratch, "gpu-3.delta.vgpu.tar")).unwrap());
    }
    assert!(bundles[0] == bundles[1]);
}

#[test]
fn what_one_target_lacks_is_carried() {
    let scratch = scene();
    let root = scratch.path("other");
    Node::TeslaT4.write(&root).unwrap();
    let other = laptop(&scratch, "pve2.json");
    expect(scratch.installer_on(&root, &["report", "--output", other.as_str()]), 0);
    let words = ["build", "--since", "pve1.json", "--since", "pve2.json"];
    let said = expect(scratch.bundler(&words), 0);
    assert_eq!(said.out, "./gpu-2.vgpu.tar\n");
    assert!(said.err.contains("nothing is left out"), "{}", said.err);
    let several = fs::read(laptop(&scratch, "gpu-2.vgpu.tar")).unwrap();
    expect(scratch.bundler(&["build"]), 0);
    assert!(fs::read(laptop(&scratch, "gpu-2.vgpu.tar")).unwrap() == several);

    // An older installer does not list its store.
    let text = fs::read_to_string(&other).unwrap().replace("\"store\"", "\"other\"");
    fs::write(&other, text).unwrap();
    let said = expect(scratch.bundler(&["build", "--since", "pve2.json"]), 1).err;
    assert!(said.contains("`pve2.json` does not list the store of its node"), "{said}");
    let said = expect(scratch.bundler(&["build", "--since", "bundle.toml"]), 1).err;
    assert!(said.contains("`bundle.toml` is not a report"), "{said}");
}
