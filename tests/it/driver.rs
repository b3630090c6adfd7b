//! Drivers and patches, from the packages of `vgpu_tests::nvidia` into a bundle.
//!
//! The packages are stand-ins with the structure of NVIDIA packages. The tests confirm the behavior
//! for these stand-ins only, with the real `sh`, `tar`, `patch`, `zip` and decompressors.

use std::fs;
use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::Value;
use vgpu_manifest::Digest;
use vgpu_tests::memory::peak_of;
use vgpu_tests::nvidia::{Compression, Layout, StandIn, write_portal};
use vgpu_tests::scratch::{Scratch, expect, run};
use vgpu_tests::skip::{have, skip};
use vgpu_tests::tree::Snapshot;

/// A version that is not in the catalog, so that no published checksum is expected.
const VERSION: &str = "535.990.01";

fn tools() -> bool {
    ["tar", "gzip", "xz", "zstd", "zip"].into_iter().all(have)
}

/// Runs the package itself, as its user would.
fn package(path: &Utf8Path, arguments: &[&str], folder: &Utf8Path) -> (Option<i32>, String) {
    let output = Command::new("sh").arg(path).args(arguments).current_dir(folder).output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Creates the laptop's folder with `recipe` in it.
fn laptop(recipe: &str) -> (Scratch, Utf8PathBuf) {
    let scratch = Scratch::new(env!("CARGO_BIN_EXE_demo"));
    let head = "[bundle]\nname = \"node\"\nchannel = \"stable\"\n";
    scratch.write("bundle.toml", format!("{head}{recipe}"));
    expect(scratch.bundler(&["key", "generate", "--principal", "alice", "--no-passphrase"]), 0);
    let folder = scratch.path("laptop");
    (scratch, folder)
}

/// Returns the records of the lock's items of this kind.
fn records(folder: &Utf8Path, kind: &str) -> Vec<Value> {
    let lock = fs::read_to_string(folder.join("bundle.lock")).unwrap();
    let lock: toml::Value = toml::from_str(&lock).unwrap();
    let items = lock["item"].as_array().unwrap().iter();
    let records = items.filter_map(|item| item.get("kind")?.get(kind));
    records.map(|record| serde_json::to_value(record).unwrap()).collect()
}

#[test]
fn stand_ins_take_the_options_of_what_they_stand_for() {
    if !tools() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = Utf8Path::from_path(folder.path()).unwrap();
    let mut trees = Vec::new();
    for compression in Compression::ALL {
        let stand_in = StandIn { compression, ..StandIn::host(VERSION) };
        let path = folder.join(compression.name());
        stand_in.write(&path).unwrap();
        let says = |arguments: &[&str]| package(&path, arguments, folder);
        assert_eq!(says(&["--check"]).0, Some(0));
        assert_eq!(says(&["--version-string"]).1.trim(), VERSION);
        assert_eq!(says(&["--target-directory"]).1.trim(), stand_in.folder());
        assert!(says(&["--info"]).1.contains(compression.name()));
        assert!(says(&["--list"]).1.contains("./kernel/nvidia/nv-kernel.o_binary"));
        let target = folder.join(format!("{}.d", compression.name()));
        assert_eq!(says(&["-x", "--target", target.as_str()]).0, Some(0));
        trees.push(Snapshot::of(&target, &[]).unwrap());

        let mut bytes = fs::read(&path).unwrap();
        let last = bytes.len() - 9;
        bytes[last] ^= 1;
        fs::write(&path, bytes).unwrap();
        assert_eq!(says(&["--check"]).0, Some(1));
    }
    for tree in &trees[1..] {
        assert_eq!(trees[0].differences(tree), Vec::<String>::new());
    }
}

#[test]
fn a_patch_is_proven_and_does_what_the_package_itself_would_do() {
    if !tools() {
        return;
    }
    for compression in Compression::ALL {
        let stand_in = StandIn { compression, ..StandIn::host(VERSION) };
        let (scratch, folder) = laptop(
            "[[driver]]\nname = \"driver/host.run\"\npath = \"host.run\"\n\
             [[patch]]\nname = \"driver/unlock.patch\"\npath = \"unlock.patch\"\n",
        );
        stand_in.write(&folder.join("host.run")).unwrap();
        scratch.write("unlock.patch", stand_in.patch());
        let said = expect(scratch.bundler(&["lock"]), 0);
        assert!(said.err.contains("driver/host.run: 4 vGPU types"), "{}", said.err);

        let driver = &records(&folder, "driver")[0];
        assert_eq!(driver["version"], VERSION);
        assert_eq!(driver["kind"], "host");
        assert_eq!(driver["gpus"], serde_json::json!(["1e30", "1eb8", "2235"]));
        let patch = &records(&folder, "patch")[0];
        assert_eq!(patch["driver"], "driver/host.run");
        let files = patch["file"].as_array().unwrap();
        let paths: Vec<_> = files.iter().map(|file| file["path"].as_str().unwrap()).collect();
        assert_eq!(paths, ["kernel/nvidia/nv-kernel.o_binary", "kernel/nvidia/nv.c"]);
        let digest = |tree: &str, path: &str| {
            Digest::of(&fs::read(folder.join(tree).join(path)).unwrap()).to_string()
        };
        let run = folder.join("host.run");
        assert_eq!(package(&run, &["-x", "--target", "plain"], &folder).0, Some(0));
        for (file, path) in files.iter().zip(&paths) {
            assert_eq!(file["before"], digest("plain", path));
        }

        // The package's own method, with GNU patch.
        if have_old_patch() {
            assert_eq!(package(&run, &["--apply-patch", "unlock.patch"], &folder).0, Some(0));
            let custom = folder.join(format!("{}-custom.run", stand_in.folder()));
            assert_eq!(package(&custom, &["-x", "--target", "custom"], &folder).0, Some(0));
            for (file, path) in files.iter().zip(&paths) {
                assert_eq!(file["after"], digest("custom", path));
            }
        }
        // Facts are detected only once, and the manifest repeats those of the lock.
        let again = expect(scratch.bundler(&["lock"]), 0);
        assert!(again.err.contains("is up to date"), "{}", again.err);
        expect(scratch.bundler(&["build"]), 0);
        let shown = expect(scratch.bundler(&["inspect", "node-1.vgpu.tar", "--json"]), 0);
        let shown: Value = serde_json::from_str(&shown.out).unwrap();
        let items = shown["manifest"]["items"].as_array().unwrap();
        assert_eq!(items[0]["kind"]["driver"], *driver);
        assert_eq!(items[1]["kind"]["patch"], *patch);
        let shown = expect(scratch.bundler(&["inspect", "node-1.vgpu.tar"]), 0).out;
        assert!(shown.contains(&format!("host driver {VERSION}, supports 3 GPUs")), "{shown}");
        assert!(shown.contains("kernel/nvidia/nv-kernel.o_binary: "), "{shown}");
    }
}

/// Checks whether `patch` is a version that accepts NUL bytes.
fn have_old_patch() -> bool {
    let version = Command::new("patch").arg("--version").output();
    let is_old = version.is_ok_and(|output| output.stdout.starts_with(b"GNU patch 2.7"));
    is_old || skip("GNU patch 2.7, since 2.8 refuses NUL bytes")
}

#[test]
fn a_blob_as_large_as_the_real_one_takes_little_memory() {
    if !tools() {
        return;
    }
    let (scratch, folder) = laptop(
        "[[driver]]\nname = \"host.run\"\npath = \"host.run\"\n\
         [[patch]]\nname = \"unlock.patch\"\npath = \"unlock.patch\"\n",
    );
    // NVIDIA's own compression, the largest window within the limit, and one that needs an external
    // program.
    for (compression, mib) in
        [(Compression::Zstd, 62), (Compression::FullXz, 24), (Compression::WideZstd, 62)]
    {
        let stand_in = StandIn { compression, blob: mib << 20, ..StandIn::host(VERSION) };
        stand_in.write(&folder.join("host.run")).unwrap();
        scratch.write("unlock.patch", stand_in.patch());
        let mut child = scratch.bundler(&["--quiet", "lock"]).spawn().unwrap();
        let peak = peak_of(&mut child).unwrap();
        eprintln!("{compression:?}: {peak} KiB");
        assert!(peak <= 64 << 10, "{compression:?}: {peak} KiB at its peak");
        assert_eq!(records(&folder, "driver")[0]["version"], VERSION);
    }
}

#[test]
fn a_window_that_does_not_fit_needs_a_program_which_is_named() {
    if !tools() {
        return;
    }
    let (scratch, folder) = laptop("[[driver]]\nname = \"host.run\"\npath = \"host.run\"\n");
    for (compression, program) in [(Compression::WideXz, "xz"), (Compression::WideZstd, "zstd")] {
        let stand_in = StandIn { compression, ..StandIn::host(VERSION) };
        let path = folder.join("host.run");
        stand_in.write(&path).unwrap();
        let mut without = scratch.bundler(&["lock"]);
        without.env("PATH", scratch.path("nowhere"));
        let said = run(without);
        assert_eq!(said.code, Some(1));
        assert!(said.err.contains(&format!("`{program}` is not installed")), "{}", said.err);
        expect(scratch.bundler(&["lock"]), 0);
        // A truncated package is refused by its checksums.
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() - 1000]).unwrap();
        let said = run(scratch.bundler(&["lock"]));
        assert_eq!(said.code, Some(1), "{}", said.err);
    }
}

/// Returns the output of SQLite's own program for the catalog in the bundle.
fn query(folder: &Utf8Path, sql: &str) -> String {
    let file = format!("file:{}?immutable=1", folder.join("out/catalog.sqlite"));
    let output = Command::new("sqlite3").args(["-readonly", &file, sql]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_catalogue_has_what_the_drivers_say() {
    if !tools() || !have("sqlite3") {
        return;
    }
    let old = "535.991.01";
    let (scratch, folder) = laptop(&format!(
        "[[driver]]\nname = \"host.run\"\npath = \"host.run\"\n\
         [[driver]]\nname = \"driver/vgpuConfig.xml\"\npath = \"NVIDIA-GRID-Linux-KVM-{old}-539.19.zip\"\n\
         kind = \"config-only\"\n\
         [[host.file]]\nitem = \"driver/vgpuConfig.xml\"\n\
         path = \"/usr/share/nvidia/vgpu/vgpuConfig.xml\"\n"
    ));
    StandIn::host(VERSION).write(&folder.join("host.run")).unwrap();
    let archive = folder.join(format!("NVIDIA-GRID-Linux-KVM-{old}-539.19.zip"));
    write_portal(&archive, Layout::Folders, &StandIn::host(old), &StandIn::guest(old)).unwrap();
    expect(scratch.bundler(&["build"]), 0);
    let lock = fs::read_to_string(folder.join("bundle.lock")).unwrap();
    let bundle = fs::read(folder.join("node-1.vgpu.tar")).unwrap();

    // The origin is recorded, and only that exact file is accepted.
    let record = records(&folder, "driver")[1].clone();
    assert_eq!((&record["kind"], &record["version"]), (&"config-only".into(), &old.into()));
    assert!(record["archive"]["member"].as_str().unwrap().ends_with("-vgpu-kvm.run"), "{record}");
    assert!(record["package"]["size"].as_u64().unwrap() > 1000, "{record}");
    expect(scratch.bundler(&["extract", "node-1.vgpu.tar", "--output", "out"]), 0);
    let xml = fs::read(folder.join("out/driver/vgpuConfig.xml")).unwrap();
    assert_eq!(record["config"], Digest::of(&xml).to_string());
    let host = folder.join("unpacked");
    StandIn::host(old).write(&folder.join("old.run")).unwrap();
    package(&folder.join("old.run"), &["-x", "--target", host.as_str()], &folder);
    assert_eq!(xml, fs::read(host.join("vgpuConfig.xml")).unwrap());

    let types = std::str::from_utf8(&xml).unwrap().matches("<vgpuType ").count();
    let count = query(&folder, "SELECT driver, count(*) FROM vgpu_types GROUP BY driver");
    assert_eq!(count, format!("{VERSION}|{types}\n{old}|{types}\n"));
    let held = query(&folder, "SELECT count(*) FROM vgpus WHERE mib > 0 AND instances > 0");
    assert!(held.trim().parse::<u32>().unwrap() > 0, "{held}");
    let size = fs::metadata(folder.join("out/catalog.sqlite")).unwrap().len();
    assert!(size <= 1 << 20, "{size}");

    // The output is identical after the cache is cleared; with the cache, nothing is inspected
    // again.
    fs::remove_dir_all(scratch.path("cache")).unwrap();
    expect(scratch.bundler(&["fetch"]), 0);
    expect(scratch.bundler(&["build", "--offline"]), 0);
    assert!(fs::read(folder.join("node-1.vgpu.tar")).unwrap() == bundle);
    expect(scratch.bundler(&["lock"]), 0);
    assert_eq!(fs::read_to_string(folder.join("bundle.lock")).unwrap(), lock);
    fs::remove_dir_all(scratch.path("cache")).unwrap();
    expect(scratch.bundler(&["lock"]), 0);
    assert_eq!(fs::read_to_string(folder.join("bundle.lock")).unwrap(), lock);
    // A guest driver has none.
    let recipe = fs::read_to_string(folder.join("bundle.toml")).unwrap();
    StandIn::guest(old).write(&folder.join("guest.run")).unwrap();
    let zip = format!("NVIDIA-GRID-Linux-KVM-{old}-539.19.zip");
    scratch.write("bundle.toml", recipe.replace(&zip, "guest.run"));
    let said = run(scratch.bundler(&["lock"]));
    assert!(said.err.contains("expected the host driver"), "{}", said.err);
}

#[test]
fn drivers_come_out_of_the_archive_of_the_portal() {
    if !tools() {
        return;
    }
    for layout in [Layout::Folders, Layout::Flat] {
        let archive = format!("NVIDIA-GRID-Linux-KVM-{VERSION}-539.19.zip");
        let entry = |name: &str, kind: &str| {
            format!("[[driver]]\nname = \"{name}\"\npath = \"{archive}\"\nkind = \"{kind}\"\n")
        };
        let recipe = entry("host.run", "host")
            + &entry("guest.run", "guest")
            + &entry("guest.exe", "windows-guest");
        let (scratch, folder) = laptop(&recipe);
        let (host, guest) = (StandIn::host(VERSION), StandIn::guest(VERSION));
        write_portal(&folder.join(&archive), layout, &host, &guest).unwrap();
        expect(scratch.bundler(&["build"]), 0);
        let drivers = records(&folder, "driver");
        let versions: Vec<_> = drivers.iter().map(|it| it["version"].as_str().unwrap()).collect();
        assert_eq!(versions, [VERSION, VERSION, "539.19"]);
        let member = drivers[0]["archive"]["member"].as_str().unwrap();
        assert!(member.ends_with(&host.file_name()), "{member}");

        // Exactly that file is accepted, also after the cache is cleared.
        host.write(&folder.join("same.run")).unwrap();
        let size = fs::metadata(folder.join("same.run")).unwrap().len();
        for _ in 0..2 {
            let out = ["extract", "node-1.vgpu.tar", "host.run", "--output", "out"];
            expect(scratch.bundler(&out), 0);
            let out = fs::read(folder.join("out/host.run")).unwrap();
            assert_eq!(out.len() as u64, size);
            assert_eq!(out, fs::read(folder.join("same.run")).unwrap());
            fs::remove_dir_all(folder.join("out")).unwrap();
            fs::remove_dir_all(scratch.path("cache")).unwrap();
            expect(scratch.bundler(&["build"]), 0);
        }
    }
}

#[test]
fn what_is_not_the_right_driver_is_refused_by_name() {
    if !tools() {
        return;
    }
    let (scratch, folder) = laptop(
        "[[driver]]\nname = \"driver/host.run\"\npath = \"host.run\"\n\
         [[patch]]\nname = \"driver/x.patch\"\npath = \"x.patch\"\n",
    );
    let refused = |word: &str| {
        let said = run(scratch.bundler(&["lock"]));
        assert_eq!(said.code, Some(1), "{}", said.err);
        assert!(said.err.contains(word), "{word}: {}", said.err);
        assert!(!folder.join("bundle.lock").exists());
    };
    let run = folder.join("host.run");
    let host = StandIn::host(VERSION);
    scratch.write("x.patch", host.patch());

    scratch.write("host.run", "<!DOCTYPE html><title>Checking your browser</title>");
    refused("is a web page (\"Checking your browser\"), not a driver");
    StandIn::guest(VERSION).write(&run).unwrap();
    refused(&format!("is the guest driver {VERSION}, expected the host driver"));
    host.write(&run).unwrap();
    let whole = fs::read(&run).unwrap();
    scratch.write("host.run", &whole[..whole.len() / 2]);
    refused("is truncated");
    let mut damaged = whole.clone();
    damaged[whole.len() / 2] ^= 0x10;
    scratch.write("host.run", damaged);
    refused("its header says");
    scratch.write("host.run", "#!/bin/sh\nexit 0\n\n\n");
    refused("is not an NVIDIA driver package");

    // The patch of another version is detected by its content and by its name.
    scratch.write("host.run", &whole);
    scratch.write("x.patch", StandIn::host("535.990.02").patch());
    refused(&format!("the patch `driver/x.patch` was made for another driver than {VERSION}"));
    scratch.write("x.patch", "just prose\n");
    refused("there is no unified diff in it");
    let recipe = fs::read_to_string(folder.join("bundle.toml")).unwrap();
    scratch.write("bundle.toml", recipe.replace("x.patch", "535.990.02.patch"));
    scratch.write("535.990.02.patch", host.patch());
    refused(&format!(
        "the patch for the driver 535.990.02, but `driver/host.run` is the driver {VERSION}"
    ));
}

#[test]
fn the_host_driver_of_ai_enterprise_is_taken_bare_renamed_and_from_its_archive() {
    if !tools() {
        return;
    }
    let (enterprise, guest) = (StandIn::enterprise(VERSION), StandIn::guest(VERSION));
    let name = enterprise.file_name();
    let zip = format!("NVIDIA-AI-Enterprise-Linux-KVM-{VERSION}-{VERSION}-539.19.zip");
    for source in [name.as_str(), "renamed.run", &zip] {
        let (scratch, folder) =
            laptop(&format!("[[driver]]\nname = \"driver/host.run\"\npath = \"{source}\"\n"));
        let path = folder.join(source);
        if source == zip {
            write_portal(&path, Layout::Folders, &enterprise, &guest).unwrap();
        } else {
            enterprise.write(&path).unwrap();
        }
        let said = expect(scratch.bundler(&["lock"]), 0);
        assert!(said.err.contains(", of NVIDIA AI Enterprise"), "{}", said.err);
        let driver = &records(&folder, "driver")[0];
        assert_eq!((&driver["version"], &driver["kind"]), (&VERSION.into(), &"host".into()));
        assert_eq!(driver["variant"].as_str(), Some("ai-enterprise"));
    }
}

#[test]
fn the_guest_driver_is_taken_from_the_archive_for_another_hypervisor() {
    if !tools() {
        return;
    }
    let zip = format!("NVIDIA-GRID-Ubuntu-KVM-{VERSION}-{VERSION}-539.19.zip");
    let entry = |kind: &str| {
        format!("[[driver]]\nname = \"driver/x.run\"\nkind = \"{kind}\"\npath = \"{zip}\"\n")
    };
    let (scratch, folder) = laptop(&entry("guest"));
    let (host, guest) = (StandIn::host(VERSION), StandIn::guest(VERSION));
    write_portal(&folder.join(&zip), Layout::Folders, &host, &guest).unwrap();
    expect(scratch.bundler(&["lock"]), 0);
    assert_eq!(records(&folder, "driver")[0]["kind"], "guest");
    let head = "[bundle]\nname = \"node\"\nchannel = \"stable\"\n";
    scratch.write("bundle.toml", format!("{head}{}", entry("host")));
    let said = run(scratch.bundler(&["lock"]));
    assert_eq!(said.code, Some(1));
    assert!(said.err.contains("is the package for Ubuntu-KVM"), "{}", said.err);
}

#[test]
fn a_name_that_states_another_version_than_the_header_is_refused() {
    if !tools() {
        return;
    }
    let other = StandIn::host("535.990.07").file_name();
    let entry =
        |name: &str, path: &str| format!("[[driver]]\nname = \"{name}\"\npath = \"{path}\"\n");
    for (name, path) in [(&*format!("driver/{other}"), "a.run"), ("driver/a.run", &*other)] {
        let (scratch, folder) = laptop(&entry(name, path));
        StandIn::host("535.990.08").write(&folder.join(path)).unwrap();
        let said = run(scratch.bundler(&["lock"]));
        assert_eq!(said.code, Some(1), "{}", said.err);
        let told = "states driver 535.990.07, but the header of the file states 535.990.08";
        assert!(said.err.contains(told), "{}", said.err);
    }
}

#[test]
fn overrides_fit_the_driver_of_the_bundle() {
    if !tools() {
        return;
    }
    let (scratch, folder) = laptop("");
    StandIn::host(VERSION).write(&folder.join("host.run")).unwrap();
    let lock = |overrides: &str| {
        let head = "[bundle]\nname = \"node\"\nchannel = \"stable\"\n[[driver]]\n\
            name = \"host.run\"\npath = \"host.run\"\n[host]\n\
            overrides = { path = \"profile_override.toml\" }\n";
        scratch.write("bundle.toml", head);
        scratch.write("profile_override.toml", overrides);
        run(scratch.bundler(&["lock"]))
    };
    let said = lock("[profile.nvidia-256]\nfrl_enabled = 60\nframebuffer = \"1856 MiB\"\n");
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(
        said.err.contains("`frl_enabled = 60` in `[profile.nvidia-256]` means 1"),
        "{}",
        said.err
    );
    let lock_file = fs::read_to_string(folder.join("bundle.lock")).unwrap();
    assert!(lock_file.contains("framebuffer = 1946157056"), "{lock_file}");
    let name = "a card name of 43 bytes, which is too long!";
    for (overrides, word) in [
        (format!("[profile.nvidia-256]\ncard_name = \"{name}\"\n"), "up to vGPU 18.x holds 31"),
        ("[profile.nvidia-999]\nfrl_enabled = 0\n".to_owned(), "no driver of the bundle has this"),
    ] {
        let said = lock(&overrides);
        assert_eq!(said.code, Some(1), "{}", said.err);
        assert!(said.err.contains(word), "{}", said.err);
    }
}
