//! The catalog's answers about GPUs, drivers and kernels, and the verdicts that follow.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::bundler::sandbox::{Ran, Sandbox, bytes, has};

/// The transcripts in `why/`: a question and the complete answer except the evidence, whose numbers
/// and sources other tests check. `VGPU_BLESS=1` writes them again, for review.
///
/// Each name begins with the number of the complaint from the field that it answers. Complaints
/// about downloads (6), leftovers (10), repositories (11), stale mediated devices (16), several
/// GPUs (17) and the script's own bugs (19) are outside the scope of a verdict on one GPU.
#[test]
fn every_complaint_has_its_answer() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("it/bundler/why");
    let sandbox = Sandbox::empty();
    let mut answered = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let golden = fs::read_to_string(&path).unwrap();
        let question = golden.lines().next().unwrap().strip_prefix("$ vgpu-bundler ").unwrap();
        let said = sandbox.ok(&question.split(' ').collect::<Vec<_>>()).out;
        let now = format!("$ vgpu-bundler {question}\n{said}");
        if std::env::var_os("VGPU_BLESS").is_some() {
            fs::write(&path, &now).unwrap();
        }
        assert_eq!(golden, now, "{}", path.display());
        let name = path.file_name().unwrap().to_str().unwrap();
        answered.insert(name[..2].parse::<u8>().unwrap());
    }
    let complaints = [1, 2, 3, 4, 5, 7, 8, 9, 12, 13, 14, 15, 18, 20];
    assert_eq!(answered, BTreeSet::from(complaints));
}

/// Returns the output of `catalog why` without evidence.
fn why(args: &str) -> String {
    let words: Vec<_> = ["catalog", "why"].into_iter().chain(args.split(' ')).collect();
    Sandbox::empty().ok(&words).out
}

#[test]
fn the_question_of_the_guide_has_a_whole_answer() {
    let sandbox = Sandbox::empty();
    let question = ["--gpu", "10de:1e07", "--driver", "16.9", "--kernel", "6.8.12-43-pve"];
    let said = sandbox.ok(&[&["catalog", "why", "--evidence"][..], &question[..]].concat()).out;
    assert!(
        said.starts_with("unlock, unverified: GeForce RTX 2080 Ti Rev. A (10de:1e07, turing) [1")
    );
    let cited = said.lines().filter(|line| line.starts_with("  [")).count();
    assert!(cited > 5 && said.contains("Module.symvers of the bundled headers"), "{said}");
    let settled = why("--gpu 10de:1e07 --driver 16.9 --kernel 6.8.12-43-pve --apicv exported");
    assert!(settled.starts_with("unlock: GeForce RTX 2080 Ti"), "{settled}");

    let json = sandbox.ok(&[&["catalog", "why", "--json"][..], &question[..]].concat()).out;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["doubts"][0]["rule"], "apicv");
}

#[test]
fn without_a_driver_all_of_them_are_judged() {
    let sandbox = Sandbox::empty();
    let table = sandbox.ok(&["catalog", "why", "--gpu", "1eb8", "--kernel", "6.8.12-43-pve"]).out;
    assert!(table.starts_with("TU104GL [Tesla T4]") || table.starts_with("Tesla T4"), "{table}");
    assert!(table.lines().any(|line| line.starts_with("16.0    unsuitable")), "{table}");
    assert!(table.lines().any(|line| line.starts_with("18.4    native")), "{table}");
    let error = sandbox.fails(1, &["catalog", "why", "--gpu", "8086:3e92"]);
    assert!(error.contains("not an NVIDIA GPU"), "{error}");
}

#[test]
fn tables_are_filtered() {
    let sandbox = Sandbox::empty();
    let lines = |args: &[&str]| -> Vec<String> {
        let out = sandbox.ok(&[&["catalog"][..], args].concat()).out;
        out.lines().skip(1).map(str::to_owned).collect()
    };
    let turing = lines(&["gpus", "--arch", "turing", "--branch", "18"]);
    assert!(turing.len() > 20 && turing.iter().all(|line| line.contains("  turing  ")));
    let native = lines(&["gpus", "--native"]);
    assert!(native.len() > 50 && native.iter().all(|line| line.contains("  Native  ")));
    assert_eq!(lines(&["gpus", "geforce rtx 2080 ti rev. a"]).len(), 1);
    let drivers = lines(&["drivers", "--branch", "19"]);
    assert!(drivers.len() >= 5 && drivers.iter().all(|line| line.starts_with("19.")));
    assert_eq!(lines(&["drivers", "535.230.02"]).len(), 1);
    let patches = lines(&["patches", "--branch", "16"]);
    assert!(patches.iter().any(|line| line.starts_with("535.161.05.patch  16.4 16.5")));
    for what in ["gpus", "drivers", "patches"] {
        let json = sandbox.ok(&["catalog", what, "--json"]).out;
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert!(json.as_array().unwrap().len() > 10, "{what}");
        assert_eq!(json[0]["evidence"].as_array().map(Vec::is_empty), Some(false));
    }
    assert!(sandbox.fails_to_parse(&["catalog", "gpus", "--arch", "A B"]).contains("architecture"));
}

#[test]
fn every_bundle_brings_the_catalogue_and_sqlite3_can_ask_it() {
    let sandbox = Sandbox::with_recipe();
    sandbox.ok(&["build"]);
    let json = sandbox.ok(&["inspect", "--json", "node-1.vgpu.tar"]).out;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let item = json["manifest"]["items"].as_array().unwrap().last().unwrap();
    assert_eq!(item["name"], "catalog.sqlite");
    assert_eq!(item["kind"], serde_json::json!({ "catalog": {} }));
    assert_eq!(item["origin"]["kind"], "bundler");
    assert!(item["size"].as_u64().unwrap() <= 1 << 20);
    sandbox.ok(&["extract", "node-1.vgpu.tar", "catalog.sqlite", "-o", "x"]);

    if !has("sqlite3") {
        return;
    }
    let ask = |sql: &str| {
        let mut sqlite3 = sandbox.command("sqlite3");
        sqlite3.args(["-readonly", "file:x/catalog.sqlite?immutable=1", sql]);
        Ran::from(sqlite3.output().unwrap()).expect(0, &[sql]).out
    };
    // The query of the Bash script, which reads columns by position.
    let row = ask("SELECT * FROM gpu_info WHERE deviceid='1e07';");
    let fields: Vec<_> = row.split('|').take(6).collect();
    assert_eq!(
        fields,
        ["10de", "1e07", "NVIDIA GeForce RTX 2080 Ti Rev. A", "Yes", "18;17;16", "TU102"]
    );
    assert_eq!(ask("PRAGMA integrity_check; PRAGMA user_version;"), "ok\n4\n");
    let builds = "SELECT build FROM driver_kernels WHERE release='16.9' AND kernels='6.15-'";
    assert_eq!(ask(builds), "fails\n");
    let sources = "SELECT count(*) > 1 FROM gpu_evidence WHERE deviceid='1e07'";
    assert_eq!(ask(sources), "1\n");
    // Queries leave no files behind.
    assert_eq!(fs::read_dir(sandbox.work("x")).unwrap().count(), 1);
}

#[test]
fn a_catalogue_that_was_locked_is_not_swapped_for_another() {
    let sandbox = Sandbox::with_recipe();
    sandbox.ok(&["lock"]);
    let digest = sandbox.locked().last().unwrap().clone();
    let other = sandbox.read("bundle.lock").replace(&digest, &"0".repeat(64));
    sandbox.write("bundle.lock", &other);
    let error = sandbox.fails(1, &["build"]);
    assert!(error.contains("a build of this program with another catalog"), "{error}");
    assert!(error.contains("hint: run `vgpu-bundler lock` if the new content"), "{error}");
    // The cache is optional: the program creates it again, byte for byte.
    sandbox.ok(&["lock"]);
    fs::remove_file(sandbox.cached(&digest)).unwrap();
    sandbox.ok(&["build"]);
    assert_eq!(sandbox.locked().last(), Some(&digest));
}

/// The example of the documentation.
fn example() -> &'static str {
    let page = include_str!("../../../docs/CATALOG.md");
    let from = page.find("# catalog.d/19.7.toml").unwrap();
    &page[from..from + page[from..].find("```").unwrap()]
}

const OF_USER: &str = "\
[[evidence]]
id = 'own'
kind = 'stated'
source = 'the data sheet of the board'
says = 'the board supports vGPU'

[[gpus]]
id = '26ff'
name = 'L99'
chip = 'AD102'
arch = 'ada'
native = '19.0-19.7'
evidence = ['own']
";

#[test]
fn files_of_the_recipe_and_the_user_extend_the_catalogue() {
    let sandbox = Sandbox::with_recipe();
    fs::create_dir(sandbox.work("catalog.d")).unwrap();
    sandbox.write("catalog.d/19.7.toml", example());
    sandbox.write("catalog.d/.19.7.toml.swp", "rubbish");
    let of_user = sandbox.path("home/.config/vgpu-bundler/catalog.d");
    fs::create_dir_all(&of_user).unwrap();
    fs::write(of_user.join("own.toml"), OF_USER).unwrap();

    let table = sandbox.ok(&["catalog", "drivers", "--branch", "19"]).out;
    assert!(table.ends_with("\nfrom catalog.d/19.7.toml: 19.7\n"), "{table}");
    assert!(!sandbox.ok(&["catalog", "drivers", "--branch", "20"]).out.contains("\nfrom "));
    let table = sandbox.ok(&["catalog", "gpus", "26ff"]).out;
    let file = "$XDG_CONFIG_HOME/vgpu-bundler/catalog.d/own.toml";
    assert!(table.ends_with(&format!("\nfrom {file}: 26ff\n")), "{table}");
    let json = sandbox.ok(&["catalog", "gpus", "26ff", "--json"]).out;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json[0]["name"], &json[0]["from"]), (&"L99".into(), &file.into()));
    let why = sandbox.ok(&["catalog", "why", "--gpu", "26ff", "--driver", "19.6"]).out;
    assert!(why.starts_with("native: L99 (10de:26ff, ada)"), "{why}");
    assert!(why.contains("NVIDIA security bulletin 9999 of 2027-01-31"), "{why}");

    sandbox.ok(&["build"]);
    sandbox.ok(&["extract", "node-1.vgpu.tar", "catalog.sqlite", "-o", "x"]);
    let catalog = fs::read(sandbox.work("x/catalog.sqlite")).unwrap();
    let catalog = vgpu_manifest::database::read(&catalog).unwrap();
    let driver = catalog.driver("19.7".parse().unwrap()).unwrap();
    assert_eq!(driver.host.as_str(), "580.999.01");
    assert!(catalog.gpu("26ff".parse().unwrap()).is_some());
    // The lock gives the same bytes again, without the cache.
    let first = bytes(sandbox.work("node-1.vgpu.tar"));
    let digest = sandbox.locked().last().unwrap().clone();
    fs::remove_file(sandbox.cached(&digest)).unwrap();
    sandbox.ok(&["build"]);
    assert!(bytes(sandbox.work("node-1.vgpu.tar")) == first);
    assert!(sandbox.read("bundle.lock").contains("name = \"catalog.d/19.7.toml\""));
}

#[test]
fn changed_catalogue_files_make_the_lock_stale() {
    let sandbox = Sandbox::with_recipe();
    fs::create_dir(sandbox.work("catalog.d")).unwrap();
    sandbox.write("catalog.d/19.7.toml", example());
    sandbox.ok(&["lock"]);
    sandbox
        .write("catalog.d/19.7.toml", &example().replace("583.99\"\nkernels", "583.98\"\nkernels"));
    let error = sandbox.fails(1, &["build"]);
    assert!(
        error.contains(
            "`catalog.d/19.7.toml` was changed, added or removed since the recipe was locked"
        ),
        "{error}"
    );
    assert!(error.contains("hint: run `vgpu-bundler lock`"), "{error}");
    let changed = sandbox.ok(&["lock"]).err;
    assert!(changed.contains("sequence: 1 → 2"), "{changed}");
    fs::remove_file(sandbox.work("catalog.d/19.7.toml")).unwrap();
    assert!(sandbox.fails(1, &["build"]).contains("`catalog.d/19.7.toml` was changed"));

    // Invalid files stop every command that uses the catalog, with file, line and field.
    let page = include_str!("../../../docs/CATALOG.md");
    let refused = example().replacen(
        "release = \"19.7\"\nhost = \"580.999.01\"",
        "release = \"19.6\"\nhost = \"580.178.05\"",
        1,
    );
    let refused = refused.replacen("580.999.01-vgpu", "580.178.05-vgpu", 1);
    sandbox.write("catalog.d/19.7.toml", &refused);
    for command in [&["lock"][..], &["catalog", "drivers"]] {
        let error = sandbox.fails(1, command);
        assert!(page.contains(error.lines().next().unwrap()), "{error}");
    }
    sandbox.write(
        "catalog.d/19.7.toml",
        &example()
            .replace(", \"branch-continues\"]", "]")
            .replace("[\"portal-19.7\"]\n\n", "[]\n\n"),
    );
    let error = sandbox.fails(1, &["lock"]);
    assert!(error.contains("`catalog.d/19.7.toml` line 8: driver 19.7 has no evidence"), "{error}");
}

/// Returns a recipe with `[targets]`.
fn targeted(targets: &str) -> Sandbox {
    let sandbox = Sandbox::with_recipe();
    let recipe = sandbox.read("bundle.toml");
    sandbox.write("bundle.toml", &format!("{recipe}[targets]\n{targets}"));
    sandbox
}

#[test]
fn what_cannot_work_on_its_targets_is_refused_unless_told_otherwise() {
    let sandbox = targeted("gpu = ['10de:1e07']\ndriver = '16.3'\npve = '8.4'\n");
    for command in ["lock", "build"] {
        let error = sandbox.fails(4, &[command]);
        assert!(error.contains("no unlock patch exists for vGPU 16.3"), "{error}");
        assert!(error.contains("hint: use vGPU 16.4 (unlock)"), "{error}");
        assert!(!sandbox.work("bundle.lock").exists());
    }
    let allowed = sandbox.ok(&["lock", "--allow-unsuitable"]);
    assert!(allowed.err.contains("warning: the bundle cannot work"), "{}", allowed.err);
    sandbox.fails(4, &["build"]);
    sandbox.ok(&["build", "--allow-unsuitable"]);
    let json = sandbox.ok(&["inspect", "--json", "node-1.vgpu.tar"]).out;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let purpose = &json["manifest"]["purpose"];
    assert_eq!(purpose["unsuitable"], serde_json::json!(["no-patch"]));
    assert_eq!(purpose["targets"]["driver"], "16.3");

    let good = sandbox.read("bundle.toml").replace("16.3", "16.4");
    assert!(!allowed.err.contains("bulletin"), "an unsuitable driver has worse faults");
    sandbox.write("bundle.toml", &good);
    let changed = sandbox.ok(&["lock"]).err;
    assert!(changed.contains("sequence: 1 → 2"), "{changed}");
    let warning = "warning: NVIDIA security bulletin 5861 of 2026-09-30: 16.x gets no fix\n";
    assert_eq!(changed.matches(warning).count(), 1, "{changed}");
    assert!(sandbox.ok(&["build"]).err.contains(warning));
}

#[test]
fn headers_in_the_bundle_settle_what_sources_disagree_about() {
    if !has("dpkg-deb") {
        return;
    }
    let kernel = "6.8.12-43-pve";
    let sandbox = targeted(&format!(
        "gpu = ['10de:1e07']\ndriver = '16.9'\npve = '8.4'\nkernel = '{kernel}'\n"
    ));
    let make = |symvers: &str| {
        let source = format!("headers/usr/src/linux-headers-{kernel}");
        fs::create_dir_all(sandbox.work(&format!("{source}/include/config"))).unwrap();
        fs::create_dir_all(sandbox.work("headers/DEBIAN")).unwrap();
        sandbox.write(
            "headers/DEBIAN/control",
            "Package: proxmox-headers\nVersion: 1\nArchitecture: amd64\nMaintainer: a <a@b>\n\
             Description: test\n",
        );
        sandbox.write(&format!("{source}/Module.symvers"), symvers);
        sandbox.write(
            &format!("{source}/include/config/auto.conf"),
            "CONFIG_VFIO_IOMMU_TYPE1=m\nCONFIG_KVM_VFIO=y\nCONFIG_VFIO_PCI_CORE=m\n",
        );
        let mut build = sandbox.command("dpkg-deb");
        build.args(["-Zxz", "--root-owner-group", "--build", "headers", "headers.deb"]);
        Ran::from(build.output().unwrap()).expect(0, &["dpkg-deb"]);
    };
    let recipe = sandbox.read("bundle.toml");
    let item =
        "[[file]]\nname = 'apt/proxmox-headers-6.8.12-43-pve_1_amd64.deb'\npath = 'headers.deb'\n";
    sandbox.write("bundle.toml", &recipe.replacen("[host]", &format!("{item}[host]"), 1));

    make("0x1\tenable_apicv\tarch/x86/kvm/kvm\tEXPORT_SYMBOL_GPL\tmodule:kvm-intel\n");
    let error = sandbox.fails(4, &["lock"]);
    assert!(error.contains("needs `enable_apicv`"), "{error}");

    make("0x1\tenable_apicv\tarch/x86/kvm/kvm\tEXPORT_SYMBOL_GPL\t\n");
    sandbox.ok(&["build"]);
    let json = sandbox.ok(&["inspect", "--json", "node-1.vgpu.tar"]).out;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let items = json["manifest"]["items"].as_array().unwrap();
    let headers = items.iter().find_map(|item| item["kind"].get("headers")).unwrap();
    assert_eq!((&headers["kernel"], &headers["apicv"]), (&kernel.into(), &"exported".into()));
    assert_eq!(headers["vfio"].as_array().unwrap().len(), 3);

    let broken = bytes(sandbox.work("headers.deb"));
    fs::write(sandbox.work("headers.deb"), &broken[..broken.len() / 2]).unwrap();
    let error = sandbox.fails(1, &["lock"]);
    assert!(error.contains("cannot inspect the package `apt/proxmox-headers"), "{error}");
}
