//! Completions and man pages, as the shell and `mandoc` read them.

use std::fs;
use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};
use vgpu_tests::scratch::{Scratch, expect};
use vgpu_tests::skip::have;

/// The pages of both programs.
struct Pages {
    scratch: Scratch,
}

impl Pages {
    fn new() -> Self {
        let scratch = Scratch::new(env!("CARGO_BIN_EXE_demo"));
        let pages = Self { scratch };
        let mut installer = Command::new(env!("CARGO_BIN_EXE_installer-pages"));
        installer.arg(pages.path(""));
        expect(installer, 0);
        let man = pages.path("man1");
        expect(pages.scratch.bundler(&["man", man.as_str()]), 0);
        for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
            let script = expect(pages.scratch.bundler(&["completions", shell]), 0).out;
            assert!(script.contains("inspect"), "{shell}");
            fs::write(pages.path(&format!("completions/vgpu-bundler.{shell}")), script).unwrap();
        }
        pages
    }

    fn path(&self, name: &str) -> Utf8PathBuf {
        self.scratch.path("pages").join(name)
    }
}

/// Returns bash's completions of these words.
fn offers(script: &Utf8Path, words: &[&str]) -> Vec<String> {
    let program = words[0];
    let [before, last] = [words[words.len() - 2], words[words.len() - 1]];
    let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
    let text = format!(
        "source '{script}'; COMP_WORDS=({}); COMP_CWORD={}; \
         set -- $(complete -p '{program}'); while [ \"$1\" != -F ]; do shift; done; \
         \"$2\" '{program}' '{last}' '{before}'; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        quoted.join(" "),
        words.len() - 1
    );
    let mut bash = Command::new("bash");
    bash.args(["--norc", "-c", &text]);
    expect(bash, 0).out.lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_both_command_lines() {
    if !have("bash") {
        return;
    }
    let pages = Pages::new();
    let [bundler, installer] = ["vgpu-bundler.bash", "vgpu-installer.bash"]
        .map(|name| pages.path("completions").join(name));
    for script in [&bundler, &installer] {
        let mut bash = Command::new("bash");
        bash.arg("-n").arg(script);
        expect(bash, 0);
    }
    assert_eq!(offers(&bundler, &["vgpu-bundler", "ins"]), ["inspect"]);
    assert_eq!(offers(&bundler, &["vgpu-bundler", "write", "--part"]), ["--part-size"]);
    assert_eq!(offers(&bundler, &["vgpu-bundler", "completions", "ba"]), ["bash"]);
    assert_eq!(offers(&installer, &["vgpu-installer", "repo"]), ["report"]);
    assert!(offers(&installer, &["vgpu-installer", "trust", ""]).contains(&"add".to_owned()));
}

#[test]
fn every_command_has_a_page_that_can_be_read() {
    if !have("mandoc") {
        return;
    }
    let pages = Pages::new();
    let folder = pages.path("man1");
    let names: Vec<String> = folder
        .read_dir_utf8()
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_owned())
        .collect();
    for page in [
        "vgpu-bundler.1",
        "vgpu-bundler-write.1",
        "vgpu-bundler-key-generate.1",
        "vgpu-installer.1",
        "vgpu-installer-trust-add.1",
    ] {
        assert!(names.iter().any(|name| name == page), "{page}: {names:?}");
    }
    for name in &names {
        let mut mandoc = Command::new("mandoc");
        mandoc.args(["-Tlint", "-Werror"]).arg(folder.join(name));
        expect(mandoc, 0);
    }
    let mut mandoc = Command::new("mandoc");
    mandoc.args(["-Tascii"]).arg(folder.join("vgpu-bundler-write.1"));
    let shown = expect(mandoc, 0).out;
    assert!(shown.contains("Mount point of the stick"), "{shown}");
}
