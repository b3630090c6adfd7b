//! The schemas in `docs/schema`, the documents of both programs, and the page about them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use camino::Utf8Path;
use serde_json::{Value, json};
use vgpu_manifest::schema::DocumentSchema;
use vgpu_tests::nodes::Node;
use vgpu_tests::schema::{check, fault, folder};
use vgpu_tests::scratch::{Said, Scratch, expect, run};

/// Returns the schemas of the types that the programs print, by name.
fn schemas() -> BTreeMap<&'static str, String> {
    let mut all = vgpu_manifest::schema::documents();
    all.extend(vgpu_bundler::schema::documents());
    all.extend(vgpu_installer::schema::documents());
    all.into_iter().map(|DocumentSchema { name, text }| (name, text)).collect()
}

fn is_golden() -> bool {
    std::env::var_os("VGPU_GOLDEN").is_some_and(|value| value == "write")
}

#[test]
fn every_file_is_the_schema_of_its_type() {
    let schemas = schemas();
    for (name, text) in &schemas {
        let path = folder().join(format!("{name}.json"));
        if is_golden() {
            fs::write(&path, text).unwrap();
        }
        let file = fs::read_to_string(&path).unwrap();
        assert!(file == *text, "{path} is out of date: `VGPU_GOLDEN=write cargo it schema`");
        let schema: Value = serde_json::from_str(text).unwrap();
        let about = schema["description"].as_str().unwrap_or_default();
        assert!(about.ends_with('.'), "`{name}` has no description: {about}");
    }
    let files = folder().read_dir_utf8().unwrap().map(|it| it.unwrap().into_path());
    let files: BTreeSet<_> = files.map(|it| it.file_stem().unwrap().to_owned()).collect();
    assert!(files.iter().eq(schemas.keys()), "{files:?}");
}

/// Returns the names of every command, as those of schemas.
fn commands(command: &clap::Command, name: &str) -> Vec<String> {
    let below: Vec<_> = command.get_subcommands().filter(|it| it.get_name() != "help").collect();
    if below.is_empty() {
        return vec![name.to_owned()];
    }
    below.into_iter().flat_map(|it| commands(it, &format!("{name}-{}", it.get_name()))).collect()
}

#[test]
fn every_schema_is_of_a_command_and_every_command_has_one() {
    let (bundler, installer) = (vgpu_bundler::command(), vgpu_installer::command());
    let mut known = schemas();
    for shared in ["error", "manifest", "vgpu-installer-done"] {
        assert!(known.remove(shared).is_some(), "{shared}");
    }
    let of_bundler = commands(&bundler, "vgpu-bundler");
    let without: Vec<_> = of_bundler.iter().filter(|it| !known.contains_key(&***it)).collect();
    assert_eq!(without, ["vgpu-bundler-completions", "vgpu-bundler-man"]);
    let all = [of_bundler, commands(&installer, "vgpu-installer")].concat();
    known.retain(|name, _| !all.iter().any(|it| it == name));
    assert!(known.is_empty(), "{:?}", known.keys());
}

#[test]
fn a_wrong_document_is_refused() {
    let good = json!({ "items": 1, "size": 2, "fetched": ["a"] });
    let Some(fault_of_good) = fault("vgpu-bundler-fetch", &good.to_string()) else { return };
    assert_eq!(fault_of_good, "");
    for (document, expected) in [
        (json!({ "items": "1", "size": 2, "fetched": ["a"] }), "$.items: '1' is not of type"),
        (json!({ "items": 1, "size": 2, "fetched": [3] }), "$.fetched[0]: 3 is not of type"),
        (json!({ "items": 1, "fetched": ["a"] }), "'size' is a required property"),
        (json!({ "items": 1, "size": 2, "fetched": [], "extra": 1 }), "'extra' was unexpected"),
    ] {
        let fault = fault("vgpu-bundler-fetch", &document.to_string()).unwrap();
        assert!(fault.contains(expected), "{document}: {fault}");
    }
    let twice = r#"{ "items": 1, "size": 2, "size": 3, "fetched": [] }"#;
    let fault_of_twice = fault("vgpu-bundler-fetch", twice).unwrap();
    assert!(fault_of_twice.contains("'size' occurs twice"), "{fault_of_twice}");
    let unknown = json!({ "error": { "class": "unknown", "message": "", "hint": null } });
    assert!(fault("error", &unknown.to_string()).unwrap().contains("class"));
}

#[test]
fn a_program_can_ask_for_the_schemas() {
    if is_golden() {
        // This build has the earlier files.
        return;
    }
    let scratch = Scratch::new(env!("CARGO_BIN_EXE_demo"));
    let out = |words: &[&str]| expect(scratch.bundler(words), 0).out;
    let list = out(&["schema"]);
    let listed = list.lines().map(|line| line.split(' ').next().unwrap());
    assert!(listed.eq(schemas().into_keys()), "{list}");
    assert!(list.contains("  A built bundle.\n"), "{list}");
    let rows: Value = serde_json::from_str(&out(&["schema", "--json"])).unwrap();
    assert_eq!(rows[0]["name"], "error");
    for (name, text) in schemas() {
        assert_eq!(out(&["schema", name]), text);
    }
    assert_eq!(out(&["schema", "error", "--json"]), out(&["schema", "error"]));
    let said = expect(scratch.bundler(&["schema", "vgpu-installer-state"]), 2).err;
    assert!(said.contains("vgpu-installer-status"), "{said}");
}

/// A laptop and a node whose commands run with `--json`.
struct Scene {
    scratch: Scratch,
    checked: BTreeSet<String>,
}

impl Scene {
    fn checked(&mut self, command: Command) -> Said {
        let mut same = Command::new(command.get_program());
        same.args(command.get_args());
        let said = run(command);
        self.checked
            .insert(check(&same, &said.out).unwrap_or_else(|| panic!("{same:?}: {said:?}")));
        said
    }

    fn bundler(&mut self, words: &[&str]) -> Said {
        self.checked(self.scratch.bundler(&[words, &["--json"]].concat()))
    }

    fn node(&mut self, words: &[&str]) -> Said {
        self.checked(self.scratch.installer(&[words, &["--json"]].concat()))
    }
}

#[test]
fn every_document_is_as_its_schema_says() {
    if is_golden() || fault("error", "{}").is_none() {
        return;
    }
    let scratch = Scratch::new(env!("CARGO_BIN_EXE_demo"));
    scratch.node(Node::TeslaT4);
    let mut scene = Scene { scratch, checked: BTreeSet::new() };
    let stick = scene.scratch.path("stick");
    fs::create_dir(&stick).unwrap();
    scene.scratch.write("a.conf", "some = \"text\"\n");
    scene.scratch.write(
        "bundle.toml",
        "[bundle]\nname = 'gpu'\nchannel = 'stable'\n\
         [[file]]\nname = 'etc/a.conf'\npath = 'a.conf'\n\
         [host]\n[[host.file]]\nitem = 'etc/a.conf'\npath = '/etc/a.conf'\n",
    );
    let machine = ["--gpu", "10de:1eb8", "--pve", "8.4", "--kernel", "6.8.12-43-pve"];
    scene.bundler(&[&["init", "--recipe", "new.toml", "--name", "gpu"], &machine[..]].concat());
    for words in [
        "expand",
        "lock",
        "update",
        "fetch",
        "build",
        "key generate --principal bob --no-passphrase --key bob",
        "key show",
        "key list",
        "sign gpu-1.vgpu.tar --key bob",
        "verify gpu-1.vgpu.tar",
        "inspect gpu-1.vgpu.tar",
        "show gpu-1.vgpu.tar --html page.html",
        "extract gpu-1.vgpu.tar -o unpacked",
        "catalog gpus 2080",
        "catalog drivers --branch 16",
        "catalog patches",
        "catalog matrix --arch turing --branch 16",
        "catalog why --gpu 10de:1e07",
        "catalog why --gpu 10de:1eb8 --driver 16.9 --pve 8.4",
        "policy init --threshold 1 --channel stable",
        "policy edit policy-1.toml --channel edge",
        "policy sign policy-2.toml",
        "policy show policy-2.toml --after policy-1.toml",
        "cache list",
        "cache verify",
        "cache path",
        "doctor",
        "schema",
        "schema error",
    ] {
        scene.bundler(&words.split(' ').collect::<Vec<_>>());
    }
    assert!(!scene.checked.contains("error"), "a command has failed");
    scene.bundler(&["verify", "missing.vgpu.tar"]);
    scene.bundler(&["write", stick.as_str(), "gpu-1.vgpu.tar"]);
    scene.scratch.write("a.conf", "other = \"text\"\n");
    scene.bundler(&["lock"]);
    scene.bundler(&["build"]);
    scene.bundler(&["diff", "gpu-1.vgpu.tar", "gpu-2.vgpu.tar"]);
    scene.bundler(&["cache", "gc", "--unused-for", "0"]);

    let bundle = scene.scratch.path("laptop/gpu-1.vgpu.tar");
    for words in ["inventory", "trust list", "repair", "status", "verify B", "inspect B", "plan B"]
    {
        let words: Vec<_> =
            words.split(' ').map(|word| if word == "B" { bundle.as_str() } else { word }).collect();
        scene.node(&words);
    }
    scene.node(&["apply", "--yes", bundle.as_str()]);
    scene.node(&["status"]);
    scene.node(&["guest-drivers"]);
    let report = scene.node(&["report"]).out;
    scene.scratch.write("a.json", report);
    scene.bundler(&["fleet", "compare", "a.json", "a.json"]);
    scene.node(&["store", "gc"]);
    scene.node(&["revert", "--yes"]);

    let mut left = schemas();
    left.retain(|name, _| !scene.checked.contains(*name));
    // A manifest is a part of `inspect`. `fleet::` and `suitability::` check three, and the slow suite
    // that of `prove`. Only a running license server has a status.
    let elsewhere = [
        "manifest",
        "vgpu-bundler-fleet-enroll",
        "vgpu-bundler-fleet-mappings",
        "vgpu-bundler-prove",
        "vgpu-installer-check",
        "vgpu-installer-license-status",
    ];
    assert!(left.keys().eq(&elsewhere), "{:?}", left.keys());
}

/// Returns the top-level fields of a document, each with whether it is always there.
fn fields(part: &Value, schema: &Value) -> BTreeMap<String, bool> {
    let mut all = BTreeMap::new();
    if let Some(to) = part["$ref"].as_str() {
        all.extend(fields(schema.pointer(&to[1..]).unwrap(), schema));
    }
    let required: Vec<_> = part["required"].as_array().into_iter().flatten().collect();
    for name in part["properties"].as_object().into_iter().flat_map(|it| it.keys()) {
        all.insert(name.clone(), required.iter().any(|it| *it == name));
    }
    if part["type"] == "array" {
        all.extend(fields(&part["items"], schema));
    }
    let choices = [&part["oneOf"], &part["anyOf"]];
    for choices in choices.into_iter().filter_map(Value::as_array) {
        let choices: Vec<_> = choices.iter().map(|it| fields(it, schema)).collect();
        let with_fields: Vec<_> = choices.iter().filter(|it| !it.is_empty()).collect();
        for (name, _) in with_fields.iter().copied().flatten() {
            let always = with_fields.iter().all(|it| it.get(name) == Some(&true));
            all.insert(name.clone(), always);
        }
    }
    all
}

/// Returns the rows of the tables in `docs/JSON.md`.
fn table(is_of: impl Fn(&str) -> bool) -> String {
    let mut table = "| document | contents | fields |\n| --- | --- | --- |\n".to_owned();
    for (name, text) in schemas().into_iter().filter(|(name, _)| is_of(name)) {
        let schema: Value = serde_json::from_str(&text).unwrap();
        let about = schema["description"].as_str().unwrap().lines().next().unwrap().to_owned();
        let field = |(name, always): (String, bool)| {
            if always { format!("`{name}`") } else { format!("*`{name}`*") }
        };
        let fields: Vec<_> = fields(&schema, &schema).into_iter().map(field).collect();
        let list = if schema["type"] == "array" { "a list: " } else { "" };
        let fields = fields.join(", ");
        let _ = writeln!(table, "| [`{name}`](schema/{name}.json) | {about} | {list}{fields} |");
    }
    table
}

#[test]
fn the_page_has_every_document_and_its_fields() {
    let path = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/JSON.md");
    let page = fs::read_to_string(&path).unwrap();
    let of_program = |name: &str, program: &str| name.starts_with(program);
    let tables = [
        table(|name| of_program(name, "vgpu-bundler-")),
        table(|name| of_program(name, "vgpu-installer-")),
        table(|name| !of_program(name, "vgpu-")),
    ];
    let (start, end) = ("<!-- written by tests/it/schema.rs -->\n\n", "\n<!-- end -->");
    let mut written = String::new();
    let mut rest = &*page;
    for table in tables {
        let (before, after) = rest.split_once(start).unwrap();
        let (_, after) = after.split_once(end).unwrap();
        let _ = write!(written, "{before}{start}{table}{end}");
        rest = after;
    }
    written += rest;
    if is_golden() {
        fs::write(&path, &written).unwrap();
    }
    assert!(
        page == written || is_golden(),
        "{path} is out of date: `VGPU_GOLDEN=write cargo it schema`"
    );
}
