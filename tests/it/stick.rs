//! The stick that `write` creates. The commands of its page and of the README run verbatim, except
//! for the locations of stick and node, and without confirmation prompts.

use std::fs;
use std::process::{Command, Stdio};

use camino::{Utf8Path, Utf8PathBuf};
use vgpu_tests::memory::peak_of;
use vgpu_tests::nodes::Node;
use vgpu_tests::scratch::{Said, Scratch, expect, fingerprint, run};
use vgpu_tests::skip::have;

const TOOLS: [&str; 9] =
    ["sh", "strip", "install", "ssh-keygen", "tar", "dd", "sha256sum", "find", "cut"];

/// A laptop with a bundle, a filled stick, and a node that does not trust any key yet.
struct Stage {
    scratch: Scratch,
    fingerprint: String,
}

impl Stage {
    fn new(words: &[&str]) -> Option<Self> {
        if !TOOLS.into_iter().all(have) {
            return None;
        }
        let scratch = Scratch::new(env!("CARGO_BIN_EXE_demo"));
        Node::TeslaT4.write(&scratch.path("node")).unwrap();
        for folder in ["stick", "root"] {
            fs::create_dir(scratch.path(folder)).unwrap();
        }
        expect(scratch.bundler(&["key", "generate", "--principal", "alice", "--no-passphrase"]), 0);
        let noise = vgpu_tests::sample::noise(1, 5 << 20);
        scratch.write("noise.bin", noise);
        scratch.write("a.conf", "some = \"text\"\n");
        scratch.write(
            "bundle.toml",
            "[bundle]\nname = 'gpu'\nchannel = 'stable'\n\
             [[file]]\nname = 'noise.bin'\npath = 'noise.bin'\n\
             [[file]]\nname = 'etc/a.conf'\npath = 'a.conf'\n\
             [targets]\ngpu = ['10de:1eb8']\ndriver = '16.9'\n\
             [host]\n[[host.file]]\nitem = 'etc/a.conf'\npath = '/etc/a.conf'\n",
        );
        expect(scratch.bundler(&["build"]), 0);
        // The real program, as small as possible without a second build.
        let program = scratch.path("laptop/vgpu-installer");
        let stripped = Command::new("strip")
            .args(["-o", program.as_str(), env!("CARGO_BIN_EXE_demo")])
            .status();
        assert!(stripped.unwrap().success());
        let stick = scratch.path("stick");
        let write = ["write", stick.as_str(), "--installer", "vgpu-installer"];
        // It has more than 40 MiB, and is not loaded into memory.
        let mut writing = scratch.bundler(&[&write[..], words].concat());
        let mut writing = writing.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let peak = peak_of(&mut writing).unwrap();
        assert!(peak <= 64 << 10, "{peak} KiB at its peak");
        let fingerprint = fingerprint(&scratch.path("config/vgpu-offline/key.pub"));
        Some(Self { scratch, fingerprint })
    }

    fn page(&self) -> String {
        fs::read_to_string(self.scratch.path("stick/START-HERE.txt")).unwrap()
    }

    /// Runs these commands in the node's `/root`.
    fn follow(&self, commands: &str, paper: &str) -> Said {
        let (stick, node) = (self.scratch.path("stick"), self.scratch.path("node"));
        let commands = commands
            .replace("./vgpu-installer ", &format!("./vgpu-installer --root {node} "))
            .replace(" apply ", " apply --yes ");
        let script = format!("set -e\nSTICK={stick}\nPAPER={paper}\n{commands}");
        let mut command = Command::new("sh");
        command.arg("-c").arg(script).current_dir(self.scratch.path("root"));
        run(command)
    }

    /// Returns the folder into which the stock recipe unpacks.
    fn unpacked(&self) -> Utf8PathBuf {
        self.scratch.path("root/unpacked")
    }
}

/// Returns the commands of the page, each with a flag for those in which the reader sets locations.
fn commands(page: &str) -> String {
    let lines = page.lines().filter_map(|line| line.strip_prefix("    "));
    let own = |line: &&str| {
        !line.starts_with("cd /root") && !line.starts_with("STICK=") && !line.starts_with("PAPER=")
    };
    lines.filter(own).flat_map(|line| [line, "\n"]).collect()
}

fn same(a: &Utf8Path, b: &Utf8Path) -> bool {
    fs::read(a).unwrap() == fs::read(b).unwrap()
}

#[test]
fn start_here_leads_from_a_stick_to_an_applied_bundle() {
    for words in [&[][..], &["--part-size", "4MiB"]] {
        let Some(stage) = Stage::new(words) else { return };
        let page = stage.page();
        let said = stage.follow(&commands(&page), &stage.fingerprint);
        assert_eq!(said.code, Some(0), "{page}\n{}{}", said.out, said.err);
        assert!(said.out.contains(&stage.fingerprint), "check-novalidate prints it: {}", said.out);
        assert!(said.out.contains("\nproven: "), "{}", said.out);
        let laptop = stage.scratch.path("laptop");
        assert!(same(&stage.scratch.path("node/etc/a.conf"), &laptop.join("a.conf")));
        assert!(same(&stage.unpacked().join("noise.bin"), &laptop.join("noise.bin")));
    }
}

#[test]
fn with_another_fingerprint_on_paper_nothing_is_trusted() {
    let Some(stage) = Stage::new(&[]) else { return };
    let other = format!("SHA256:{}", "A".repeat(43));
    let commands = commands(&stage.page());
    let said = stage.follow(&commands, &other);
    assert_ne!(said.code, Some(0), "{}{}", said.out, said.err);
    assert!(!stage.scratch.path("node/etc/a.conf").exists());
    // Nor by the stock tools.
    let stock = commands.split_once("export BUNDLE").unwrap().1;
    let said = stage.follow(&format!("export BUNDLE{stock}"), &other);
    assert_ne!(said.code, Some(0), "{}{}", said.out, said.err);
    assert!(!stage.unpacked().join("noise.bin").exists());
}

/// Returns the code blocks of the README from one heading to the next.
/// `isoinfo` of `genisoimage` reads what `xorriso` has written.
#[test]
fn an_image_has_the_files_of_a_stick() {
    if !["xorriso", "isoinfo"].into_iter().all(have) {
        return;
    }
    let Some(stage) = Stage::new(&["--part-size", "4MiB"]) else { return };
    let scratch = &stage.scratch;
    let words = ["write", "--iso", "gpu.iso", "--installer", "vgpu-installer"];
    let write = |more: &[&str]| {
        run(scratch.bundler(&[&words[..], &["--part-size", "4MiB"], more].concat()))
    };
    let said = write(&["--json"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let report: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(report["image"], "gpu.iso");
    let image = scratch.path("laptop/gpu.iso");
    let files = report["files"].as_array().unwrap();
    assert_eq!(files.len(), fs::read_dir(scratch.path("stick")).unwrap().count());
    assert!(files.iter().any(|file| file["name"] == "gpu-1.vgpu.tar.002"), "{files:?}");
    for name in files.iter().map(|file| file["name"].as_str().unwrap()) {
        let path = format!("/{name}");
        let out = Command::new("isoinfo").args(["-R", "-i", image.as_str(), "-x", &path]).output();
        let stick = fs::read(scratch.path("stick").join(name)).unwrap();
        assert!(out.unwrap().stdout == stick, "{name}");
    }
    let left: Vec<_> = fs::read_dir(scratch.path("laptop")).unwrap().collect();
    let is_left = |name: &str| name.starts_with("gpu.iso.");
    assert!(!left.iter().any(|it| is_left(it.as_ref().unwrap().file_name().to_str().unwrap())));

    let first = fs::read(&image).unwrap();
    let said = write(&[]);
    assert!(said.code == Some(1) && said.err.contains("`gpu.iso` exists"), "{}", said.err);
    assert_eq!(write(&["--replace"]).code, Some(0));
    assert!(fs::read(&image).unwrap() == first, "the same files give the same image");
}

fn readme(heading: &str) -> Vec<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md");
    let text = fs::read_to_string(path).unwrap();
    let section = text.split_once(&format!("\n## {heading}")).unwrap().1;
    let section = section.split("\n## ").next().unwrap();
    section.split("```").skip(1).step_by(2).map(|block| block.trim().to_owned()).collect()
}

#[test]
fn the_readme_leads_there_too() {
    let Some(stage) = Stage::new(&[]) else { return };
    // The blocks for the node, which use the program in `/root` or in the `PATH`.
    let blocks = readme("From download to a vGPU");
    let on_node = |block: &&String| {
        ["/root/", "\nvgpu-installer"].iter().any(|it| format!("\n{block}").contains(it))
    };
    let blocks: Vec<&String> = blocks.iter().filter(on_node).collect();
    assert_eq!(blocks.len(), 4, "{blocks:?}");
    let (stick, root) = (stage.scratch.path("stick"), stage.scratch.path("root"));
    let commands = blocks.into_iter().flat_map(|block| [block, "\n"]).collect::<String>();
    let commands = commands
        .replace("/media/stick", stick.as_str())
        .replace("/root/vgpu-installer ", "./vgpu-installer ")
        .replace("/root/", &format!("{root}/"))
        .replace("SHA256:…", &stage.fingerprint)
        .replace("\nvgpu-installer ", "\n./vgpu-installer ")
        .replace(" revert", " revert --yes");
    let said = stage.follow(&commands, "none");
    assert_eq!(said.code, Some(0), "{commands}\n{}{}", said.out, said.err);
    assert!(said.out.contains(&stage.fingerprint), "{}", said.out);
    assert!(!stage.scratch.path("node/etc/a.conf").exists(), "it was taken back");
}
