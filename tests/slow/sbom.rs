//! Bills of materials, checked with the Python validators of SPDX and CycloneDX from the package
//! index.

use std::collections::BTreeSet;
use std::process::Command;

use vgpu_bundler::BuiltProgram;
use vgpu_manifest::Digest;
use vgpu_tests::scratch::{Scratch, expect, run};
use vgpu_tests::skip::{have, skip};

const CHECK: &str = r#"
import sys
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document
messages = validate_full_spdx_document(parse_file(sys.argv[1]))
assert not messages, [m.validation_message for m in messages]

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
for path in sys.argv[2:]:
    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(open(path).read())
    assert error is None, error
print("valid")
"#;

#[test]
fn the_validators_of_both_forms_find_nothing() {
    if !have("python3") {
        return;
    }
    let scratch = Scratch::new(env!("CARGO_BIN_EXE_demo"));
    let python = scratch.path("venv/bin/python");
    let mut venv = Command::new("python3");
    venv.args(["-m", "venv", scratch.path("venv").as_str()]);
    let mut install = Command::new(&python);
    install.args([
        "-m",
        "pip",
        "install",
        "-q",
        "spdx-tools",
        "cyclonedx-python-lib[json-validation]",
    ]);
    if run(venv).code != Some(0) || run(install).code != Some(0) {
        let _ = skip("spdx-tools and cyclonedx-python-lib");
        return;
    }
    expect(scratch.bundler(&["key", "generate", "--principal", "alice", "--no-passphrase"]), 0);
    scratch.write("a.conf", "a");
    scratch.write("crate/Cargo.lock", include_str!("../../Cargo.lock"));
    scratch.write(
        "bundle.toml",
        "[bundle]\nname = 'gpu'\nchannel = 'stable'\n\
         [[file]]\nname = 'a.conf'\npath = 'a.conf'\n\
         [[tree]]\nname = 'src.tar.zst'\npath = 'crate'\n",
    );
    expect(scratch.bundler(&["build"]), 0);
    for form in ["spdx", "cyclonedx"] {
        let said = expect(scratch.bundler(&["inspect", "--sbom", form, "gpu-1.vgpu.tar"]), 0);
        assert!(said.out.contains("pkg:cargo/serde@"), "{form}");
        scratch.write(&format!("{form}.spdx.json"), said.out);
    }
    // The bill of a program, as `cargo dist` makes it.
    let linked = BTreeSet::from([("vgpu-installer".to_owned(), "0.1.0".to_owned())]);
    let program = BuiltProgram {
        name: "vgpu-installer",
        version: "0.1.0",
        sha256: Digest::of(b"program"),
        created: 1_700_000_000,
        lock: include_str!("../../Cargo.lock"),
        linked: &linked,
    };
    scratch.write("program.cdx.json", program.bom().unwrap().to_string());
    let mut check = Command::new(&python);
    check.args(["-c", CHECK]);
    check.arg(scratch.path("laptop/spdx.spdx.json"));
    check.arg(scratch.path("laptop/cyclonedx.spdx.json"));
    check.arg(scratch.path("laptop/program.cdx.json"));
    assert_eq!(expect(check, 0).out.trim(), "valid");
}
