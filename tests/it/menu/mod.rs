//! The installer's menu on a terminal.
//!
//! A transcript contains the screen up to the start of a command. `VGPU_GOLDEN=write` writes the
//! transcripts again, for review.

use std::fs;
use std::process::Stdio;

use camino::Utf8Path;
use vgpu_tests::nodes::Node;
use vgpu_tests::scratch::{Scratch, expect, run};
use vgpu_tests::skip;
use vgpu_tests::tree::Snapshot;

use crate::terminal::{END, INTERRUPT, Terminal};

/// The end of each screen's last line.
const PROMPT: &str = " ";

struct Desk {
    scratch: Scratch,
}

impl Desk {
    /// Returns a node that trusts alice, and two of her bundles for it.
    fn new() -> Self {
        let scratch = Scratch::new(env!("CARGO_BIN_EXE_demo"));
        scratch.node(Node::TeslaT4);
        Self { scratch }
    }

    /// Returns the same with a node that has two GPUs.
    fn with_two() -> Self {
        let scratch = Scratch::new(env!("CARGO_BIN_EXE_demo"));
        scratch.node(Node::TwoP40);
        Self { scratch }
    }

    /// Returns the bundle with this sequence number, which installs a file on the node.
    fn bundle(&self, sequence: u32) -> String {
        let scratch = &self.scratch;
        scratch.write("notes.txt", format!("the text of {sequence}\n"));
        scratch.write(
            "bundle.toml",
            "[bundle]\nname = 'gpu'\nchannel = 'stable'\n[[file]]\nname = 'notes.txt'\npath = 'notes.txt'\n\
             [host]\n[[host.file]]\nitem = 'notes.txt'\npath = '/etc/notes.txt'\nmode = '0644'\n",
        );
        expect(scratch.bundler(&["lock"]), 0);
        expect(scratch.bundler(&["build"]), 0);
        scratch.path("laptop").join(format!("gpu-{sequence}.vgpu.tar")).into_string()
    }

    fn sit_down(&self) -> Terminal {
        Terminal::start(&self.scratch.installer(&[]), PROMPT)
    }

    fn look(&self) -> Snapshot {
        let ours = ["etc/vgpu-offline", "var/lib/vgpu-offline"];
        Snapshot::of(&self.scratch.path("node"), &ours).unwrap()
    }

    /// Compares the screen before the command with the transcript of this name.
    fn compare(&self, name: &str, seen: &str) {
        let seen = seen.replace(self.scratch.path("").as_str(), "/scratch/");
        let screens: Vec<&str> = seen.split_inclusive('\n').collect();
        let command = screens.iter().position(|line| line.starts_with("vgpu-installer --"));
        let now = screens[..command.map_or(screens.len(), |at| at + 1)].concat();
        let golden = Utf8Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("it/menu/screens")
            .join(format!("{name}.txt"));
        if std::env::var_os("VGPU_GOLDEN").is_some_and(|value| value == "write") {
            fs::write(&golden, &now).unwrap();
        }
        assert_eq!(fs::read_to_string(&golden).unwrap_or_default(), now, "{golden}");
    }
}

/// Waits for the menu after a command, and leaves it. Returns the exit status of the command.
fn leave(mut terminal: Terminal) -> (Option<i32>, String) {
    terminal.answer("[q]", "q");
    let (code, seen) = terminal.end();
    assert_eq!(code, Some(0), "{seen}");
    let failed =
        seen.lines().find_map(|line| line.strip_prefix("the command ended with exit status: "));
    (Some(failed.map_or(0, |status| status.trim().parse().unwrap())), seen)
}

/// Returns the output of the shown command when it is run directly.
fn shown(seen: &str) -> Vec<&str> {
    let line = seen.lines().find(|line| line.starts_with("vgpu-installer --")).unwrap();
    // The scratch folder's path needs no shell quoting.
    line.split(' ').skip(2).collect()
}

#[test]
fn without_a_terminal_there_is_help_and_no_menu() {
    let desk = Desk::new();
    let said = expect(desk.scratch.installer(&[]), 2);
    assert!(said.out.is_empty() && said.err.contains("Usage: vgpu-installer"), "{said:?}");
    for word in ["apply", "status", "Exit status:"] {
        assert!(said.err.contains(word), "{word}: {said:?}");
    }
    if !skip::have("setsid") {
        return;
    }
    let deaf = Terminal::start_with(&desk.scratch.installer(&[]), |command| {
        command.stdin(Stdio::null());
    });
    let (code, seen) = deaf.end();
    assert_eq!(code, Some(2), "{seen}");
    assert!(seen.contains("Usage: vgpu-installer") && !seen.contains("Select an action"), "{seen}");
}

#[test]
fn looking_and_leaving_change_nothing() {
    if !skip::have("setsid") {
        return;
    }
    let desk = Desk::new();
    let before = desk.look();
    let mut terminal = desk.sit_down();
    terminal.answer("[q]", "x").answer("[q]", "1").answer("Enter: back):", "");
    terminal.answer("[q]", "3").answer("Enter: back):", "0").answer("Enter: back):", "");
    terminal.answer("[q]", "");
    let (code, seen) = terminal.end();
    assert_eq!(code, Some(0), "{seen}");
    desk.compare("looking", &seen);
    for (name, keys, status) in [("ctrl-d", END, Some(0)), ("ctrl-c", INTERRUPT, None)] {
        let mut terminal = desk.sit_down();
        terminal.answer("[q]", "2").asked("Enter: back):").press(keys);
        let (code, seen) = terminal.end();
        assert_eq!(code, status, "{seen}");
        desk.compare(name, &seen);
    }
    assert_eq!(before.differences(&desk.look()), Vec::<String>::new());
}

#[test]
fn from_a_new_installation_through_an_upgrade_to_the_removal() {
    if !skip::have("setsid") {
        return;
    }
    let desk = Desk::new();
    let before = desk.look();
    let notes = desk.scratch.path("node/etc/notes.txt");
    let text = || fs::read_to_string(&notes).ok();
    for (sequence, key, name) in [(1, "1", "new"), (2, "2", "upgrade")] {
        let bundle = desk.bundle(sequence);
        // Enter alone applies nothing.
        let mut terminal = desk.sit_down();
        terminal.answer("[q]", key).answer("Enter: back):", &bundle);
        terminal.answer("Apply this plan? [y/N]", "");
        let (code, seen) = leave(terminal);
        assert_eq!(code, Some(1), "{seen}");
        assert_ne!(text(), Some(format!("the text of {sequence}\n")));

        let mut terminal = desk.sit_down();
        terminal.answer("[q]", key).answer("Enter: back):", &bundle);
        terminal.answer("Apply this plan? [y/N]", "y");
        let (code, seen) = leave(terminal);
        assert_eq!(code, Some(0), "{seen}");
        desk.compare(name, &seen);
        assert_eq!(text(), Some(format!("the text of {sequence}\n")));
        // The same command again, typed: nothing is left to do.
        expect(desk.scratch.installer(&shown(&seen)), 0);
    }

    let mut terminal = desk.sit_down();
    terminal.answer("[q]", "7");
    let (code, seen) = leave(terminal);
    assert_eq!(code, Some(0), "{seen}");
    desk.compare("status", &seen);
    assert!(seen.contains("everything is in sync"), "{seen}");

    let mut terminal = desk.sit_down();
    terminal.answer("[q]", "3").answer("Enter: back):", "2");
    let (code, seen) = leave(terminal);
    assert_eq!(code, Some(0), "{seen}");
    desk.compare("remove-driver", &seen);
    assert!(seen.contains("nothing to remove"), "{seen}");

    let mut terminal = desk.sit_down();
    terminal.answer("[q]", "3").answer("Enter: back):", "1").answer("Remove this? [y/N]", "");
    assert_eq!(leave(terminal).0, Some(1));
    assert_eq!(text().as_deref(), Some("the text of 2\n"));
    let mut terminal = desk.sit_down();
    terminal.answer("[q]", "3").answer("Enter: back):", "1").answer("Remove this? [y/N]", "y");
    let (code, seen) = leave(terminal);
    assert_eq!(code, Some(0), "{seen}");
    desk.compare("remove", &seen);
    assert_eq!(before.differences(&desk.look()), Vec::<String>::new());
}

#[test]
fn the_address_that_guests_use_is_asked_until_it_can_be_one() {
    if !skip::have("setsid") {
        return;
    }
    let desk = Desk::new();
    let trie = desk.scratch.path("node/proc/net/fib_trie");
    fs::create_dir_all(trie.parent().unwrap()).unwrap();
    fs::write(trie, "|-- 192.0.2.10\n   /32 host LOCAL\n").unwrap();
    let bundle = desk.bundle(1);
    let words = ["license", "install", &bundle];
    let said = expect(desk.scratch.installer(&words), 2);
    assert!(said.err.contains("`--address` is required"), "{said:?}");
    let asks = "do guests use to reach the server?";
    let mut terminal = Terminal::start(&desk.scratch.installer(&words), PROMPT);
    terminal.answer(asks, "127.0.1.1").answer(asks, "no name").answer(asks, "192.0.2.10");
    let (code, seen) = terminal.end();
    assert_eq!(code, Some(4), "{seen}");
    for words in [
        "this node has 192.0.2.10",
        "`127.0.1.1` is a loopback address",
        "`no name` is neither an IP address nor a host name",
        "the bundle has no container image",
    ] {
        assert!(seen.contains(words), "{words}: {seen}");
    }
    let mut terminal = Terminal::start(&desk.scratch.installer(&words), PROMPT);
    terminal.answer(asks, "");
    assert_eq!(terminal.end().0, Some(1));
}

#[test]
fn guests_are_pointed_at_a_license_server_and_given_what_they_need() {
    if !skip::have("setsid") {
        return;
    }
    let desk = Desk::new();
    // Enter returns from each screen.
    let mut terminal = desk.sit_down();
    terminal.answer("[q]", "6").answer("Enter: back):", "10").answer("Enter: back):", "");
    terminal.answer("[q]", "6").answer("Enter: back):", "3").answer("reach it (Enter: back):", "");
    terminal.answer("[q]", "");
    let (code, seen) = terminal.end();
    assert_eq!(code, Some(0), "{seen}");
    desk.compare("license", &seen);

    // No server is installed yet; the command prints the same message as when typed.
    let mut terminal = desk.sit_down();
    terminal.answer("[q]", "6").answer("Enter: back):", "4");
    let (code, seen) = leave(terminal);
    assert_eq!(code, Some(2), "{seen}");
    assert!(seen.contains("no license server is installed on this node"), "{seen}");

    desk.scratch.write("token.tok", "aGVhZA.Ym9keQ.c2ln\n");
    let token = desk.scratch.path("laptop/token.tok");
    let mut terminal = desk.sit_down();
    terminal.answer("[q]", "6").answer("Enter: back):", "1");
    terminal.answer("Token file (Enter: back):", token.as_str());
    let (code, seen) = leave(terminal);
    assert_eq!(code, Some(0), "{seen}");
    desk.compare("license-token", &seen);
    expect(desk.scratch.installer(&shown(&seen)), 0);

    let folder = desk.scratch.path("laptop/guests");
    let mut terminal = desk.sit_down();
    terminal.answer("[q]", "6").answer("Enter: back):", "5");
    terminal.answer("Output folder (Enter: back):", folder.as_str());
    let (code, seen) = leave(terminal);
    assert_eq!(code, Some(0), "{seen}");
    let written = fs::read_to_string(folder.join("license-token.tok")).unwrap();
    assert_eq!(written, "aGVhZA.Ym9keQ.c2ln");
}

#[test]
fn of_several_gpus_each_is_asked_about() {
    if !skip::have("setsid") {
        return;
    }
    let desk = Desk::with_two();
    let bundle = desk.bundle(1);
    let mut terminal = desk.sit_down();
    terminal.answer("[q]", "1").answer("Enter: back):", &bundle);
    terminal.answer("targets):", "3").answer("targets):", "2").answer("none):", "1");
    terminal.answer("Apply this plan? [y/N]", "");
    let (code, seen) = leave(terminal);
    assert_eq!(code, Some(1), "{seen}");
    desk.compare("two-gpus", &seen);
    assert!(seen.contains("bind 0000:03:00.0 to vfio-pci for passthrough"), "{seen}");

    // Enter alone keeps the bundle's defaults.
    let mut terminal = desk.sit_down();
    terminal.answer("[q]", "2").answer("Enter: back):", &bundle);
    terminal.answer("targets):", "").answer("none):", "");
    terminal.answer("Apply this plan? [y/N]", "y");
    let (code, seen) = leave(terminal);
    assert_eq!(code, Some(0), "{seen}");
    assert_eq!(shown(&seen), ["apply", bundle.as_str()]);
}

#[test]
fn drivers_for_guests_are_shown_or_missed() {
    if !skip::have("setsid") {
        return;
    }
    let desk = Desk::new();
    let mut terminal = desk.sit_down();
    terminal.answer("[q]", "5");
    let (code, seen) = leave(terminal);
    assert_eq!(code, Some(0), "{seen}");
    desk.compare("guest-drivers", &seen);
    assert!(seen.contains("no guest drivers here"), "{seen}");
}

#[test]
fn the_host_driver_is_judged_before_anything_is_installed() {
    if !skip::have("setsid") {
        return;
    }
    let desk = Desk::new();
    let mut terminal = desk.sit_down();
    terminal.answer("[q]", "4").answer("the applied one):", "");
    let (code, seen) = leave(terminal);
    assert_eq!(code, Some(2), "{seen}");
    desk.compare("host-driver", &seen);
    assert!(seen.contains("no bundle is applied here"), "{seen}");

    let bundle = desk.bundle(1);
    let mut terminal = desk.sit_down();
    terminal.answer("[q]", "4").answer("the applied one):", &bundle);
    let (code, seen) = leave(terminal);
    desk.compare("host-driver-of-a-bundle", &seen);
    // The bundle has no driver; the message equals that of the shown command.
    let typed = run(desk.scratch.installer(&shown(&seen)));
    assert_eq!(code, typed.code);
    let said = typed.err.lines().next().unwrap();
    assert!(seen.contains(said), "{said}: {seen}");
}

#[test]
fn a_key_is_trusted_and_a_bundle_of_the_same_medium_is_applied_without_leaving_the_menu() {
    if !skip::have("setsid") {
        return;
    }
    let desk = Desk::new();
    let node = |path: &str| desk.scratch.path("node").join(path);
    let key = desk.scratch.path("config/vgpu-offline/key.pub");
    let stick = node("media/stick");
    fs::create_dir_all(&stick).unwrap();
    fs::create_dir_all(node("proc/self")).unwrap();
    fs::create_dir_all(node("usr/share/misc")).unwrap();
    fs::write(
        node("proc/self/mountinfo"),
        "22 1 8:3 / / rw - ext4 /dev/sda3 rw\n30 22 8:17 / /media/stick ro - vfat /dev/sdb1 ro\n",
    )
    .unwrap();
    fs::write(node("usr/share/misc/pci.ids"), "10de  NVIDIA\n\t1eb8  TU104GL [Tesla T4]\n")
        .unwrap();
    fs::copy(desk.bundle(1), stick.join("gpu-1.vgpu.tar")).unwrap();
    fs::copy(key, stick.join("alice.pub")).unwrap();
    fs::remove_dir_all(node("etc/vgpu-offline")).unwrap();

    let mut terminal = desk.sit_down();
    terminal.answer("[q]", "9").answer("Enter: back):", "1").answer("Enter: alice):", "");
    terminal.answer("compare):", "").answer("first key):", "").answer("same? [y/N]", "y");
    terminal.answer("[q]", "1").answer("Enter: back):", "1").answer("Apply this plan? [y/N]", "y");
    // Ctrl-C at the prompt of a command ends the command, and the menu stays.
    terminal.answer("[q]", "3").answer("Enter: back):", "1").asked("Remove this? [y/N]");
    terminal.press(INTERRUPT).answer("[q]", "q");
    let (code, seen) = terminal.end();
    assert_eq!(code, Some(0), "{seen}");
    let shown = |words: &str| assert!(seen.contains(words), "{words}: {seen}");
    shown("TU104GL [Tesla T4] [10de:1eb8");
    shown("trusts   no key yet");
    shown("trusts   alice");
    shown("applied  nothing");
    shown("applied  gpu 1 of channel stable, signed by alice");
    assert_eq!(fs::read_to_string(node("etc/notes.txt")).unwrap(), "the text of 1\n");
}
