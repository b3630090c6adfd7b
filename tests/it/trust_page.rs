//! `docs/TRUST.md`: its commands run verbatim, except for the location of the node, and without
//! prompts.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use vgpu_tests::nodes::Node;
use vgpu_tests::scratch::{Said, Scratch, expect, fingerprint, run};
use vgpu_tests::skip::have;

/// Returns the commands in the blocks of the page with this mark, in order.
fn blocks(mark: &str) -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/TRUST.md");
    let text = fs::read_to_string(path).unwrap();
    let begin = format!("```sh {mark}\n");
    let blocks = text.split(&begin).skip(1);
    let commands: String = blocks.map(|block| block.split_once("```").unwrap().0).collect();
    assert!(!commands.is_empty(), "{mark}");
    commands
}

/// A laptop with a recipe, and a node without a policy.
struct Stage(Scratch);

impl Stage {
    /// Returns the stage after the first policy and the first bundle.
    fn new() -> Option<Self> {
        if !["sh", "sed", "ssh-keygen", "sha256sum"].into_iter().all(have) {
            return None;
        }
        let scratch = Scratch::new(env!("CARGO_BIN_EXE_demo"));
        Node::TeslaT4.write(&scratch.path("node")).unwrap();
        scratch.write("note", "a note\n");
        scratch.write(
            "bundle.toml",
            "[bundle]\nname = 'node'\nchannel = 'stable'\n[[file]]\nname = 'note'\npath = 'note'\n\
             [host]\n[[host.file]]\nitem = 'note'\npath = '/etc/vgpu-note'\n",
        );
        // The page's command works on the node, whose root is a folder here.
        let wrapper = scratch.path("wrapped/vgpu-installer");
        fs::create_dir(wrapper.parent().unwrap()).unwrap();
        let (program, node) = (scratch.path("bin/vgpu-installer"), scratch.path("node"));
        fs::write(&wrapper, format!("#!/bin/sh\nexec {program} --root {node} \"$@\"\n")).unwrap();
        fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755)).unwrap();
        let stage = Self(scratch);
        let setup = stage.follow("setup");
        assert_eq!(setup.code, Some(0), "{}{}", setup.out, setup.err);
        assert!(stage.0.path("node/etc/vgpu-note").exists());
        Some(stage)
    }

    /// Runs the commands of the page with this mark.
    fn follow(&self, mark: &str) -> Said {
        let commands = blocks(mark)
            .replace(" apply ", " apply --yes ")
            .replace("installer revert", "installer revert --yes")
            .replace("/etc/vgpu-offline/", &format!("{}/", self.0.path("node/etc/vgpu-offline")));
        let path = std::env::var("PATH").unwrap();
        let path = format!("{}:{}:{path}", self.0.path("wrapped"), self.0.path("bin"));
        let mut command = Command::new("sh");
        command.args(["-eux", "-c", &commands]).current_dir(self.0.path("laptop"));
        command.env("PATH", path).env("XDG_CONFIG_HOME", self.0.path("config"));
        command.env("XDG_CACHE_HOME", self.0.path("cache")).env("HOME", self.0.path("home"));
        run(command)
    }

    /// Runs the commands of a case, which must succeed.
    fn works(&self, mark: &str) -> String {
        let said = self.follow(mark);
        assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
        format!("{}{}", said.out, said.err)
    }

    fn fingerprint(&self, key: &str) -> String {
        fingerprint(&self.0.path("laptop").join(format!("{key}.pub")))
    }

    /// Builds a bundle signed by `key` alone, and lets the node verify it.
    fn node_verifies(&self, key: &str, code: i32) -> Said {
        let file = self.0.path("laptop/another.toml");
        let recipe = "[bundle]\nname = 'other'\nchannel = 'stable'\n\
                      [[file]]\nname = 'note'\npath = 'note'\n";
        fs::write(file, recipe).unwrap();
        let build = ["build", "--recipe", "another.toml", "--key", key];
        expect(self.0.bundler(&build), 0);
        let bundle = self.0.path("laptop/other-1.vgpu.tar");
        expect(self.0.installer(&["verify", bundle.as_str()]), code)
    }
}

#[test]
fn a_lost_key() {
    let Some(stage) = Stage::new() else { return };
    let shown = stage.works("lost");
    let (old, new) = (stage.fingerprint("alice"), stage.fingerprint("alice-2"));
    for words in [
        "signers of policy 1: enough have signed (bob, safe)",
        &format!("trust alice with {new}"),
        &format!("stop trusting alice with {old}"),
        "the policy now has version 2",
    ] {
        assert!(shown.contains(words), "{shown}");
    }
    stage.node_verifies("alice-2", 0);
    assert!(stage.node_verifies("alice", 3).err.contains("is not a trusted key"));
    stage.works("stock");
}

#[test]
fn a_leaked_key() {
    let Some(stage) = Stage::new() else { return };
    let shown = stage.works("leaked");
    assert!(shown.contains(&format!("revoke {} of alice", stage.fingerprint("alice"))), "{shown}");
    // The laptop counts the key no more, and Bob's signature suffices.
    assert!(shown.contains("signed by bob\n"), "{shown}");
    assert!(stage.node_verifies("alice", 3).err.contains("is revoked"));
    stage.node_verifies("alice-2", 0);
    stage.works("stock");
}

#[test]
fn a_departed_signer() {
    let Some(stage) = Stage::new() else { return };
    let shown = stage.works("departed");
    assert!(shown.contains("policy version 2") && !shown.contains("REVOKED"), "{shown}");
    assert!(shown.contains(&format!("revoked: {}", stage.fingerprint("bob"))), "{shown}");
    assert!(stage.node_verifies("bob", 3).err.contains("is revoked"));
    stage.node_verifies("carol", 0);
    stage.node_verifies("alice", 0);
}
