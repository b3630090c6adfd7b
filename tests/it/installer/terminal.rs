//! Prompts on a terminal, provided by `script` of util-linux.

use std::io::Write as _;
use std::process::{Command, Stdio};

use vgpu_keys::Signer as _;
use vgpu_tests::programs::Program;

use crate::installer::fixture::{Site, Spec, key};

/// Runs the program on a terminal, types `answer`, and returns its status and all output.
fn on_terminal(site: &Site, args: &[&str], answer: &str) -> Option<(i32, String)> {
    let program = crate::program(Program::Installer);
    let command = format!("{program} --root {} {}", site.root(), args.join(" "));
    let child = Command::new("script")
        .args(["--quiet", "--return", "--command", &command, "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut child) = child else {
        assert!(std::env::var_os("VGPU_NO_SKIP").is_none(), "needs script");
        eprintln!("skipped: needs script");
        return None;
    };
    // The pipe stays open until the program has ended, because end of input would count as an
    // answer.
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(answer.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    Some((output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap()))
}

#[test]
fn a_key_and_a_plan_are_confirmed_by_a_clear_yes_only() {
    let (site, alice) = (Site::new(), key(1));
    let file = site.public(&alice, "alice");
    let add = ["trust", "add", &file, "--principal", "alice"];
    for answer in ["no\n", "\n", "sure\n"] {
        let Some((code, shown)) = on_terminal(&site, &add, answer) else { return };
        assert_eq!(code, 1, "{shown}");
        assert!(shown.contains(&alice.public_key().fingerprint().to_string()), "{shown}");
        assert!(shown.contains("nothing was changed"), "{shown}");
    }
    assert_eq!(on_terminal(&site, &add, "yes\n").unwrap().0, 0);

    let bundle = site.bundle(&Spec::small(1, "x"), &[&alice]);
    let (code, shown) = on_terminal(&site, &["apply", &bundle], "n\n").unwrap();
    assert_eq!(code, 1, "{shown}");
    assert!(shown.contains("Apply this plan? [y/N]"), "{shown}");
    assert!(!site.path("root/etc/vgpu-note").exists());
    assert_eq!(on_terminal(&site, &["apply", &bundle], "y\n").unwrap().0, 0);
    assert!(site.path("root/etc/vgpu-note").exists());
}

#[test]
fn color_is_for_terminals_unless_an_option_says_otherwise() {
    let (site, alice) = (Site::new(), key(1));
    site.trust(&alice, "alice", &[]).expect(0);
    let bundle = site.bundle(&Spec::small(1, "x"), &[&alice]);
    let Some((_, shown)) = on_terminal(&site, &["verify", &bundle], "") else { return };
    assert!(shown.contains("\u{1b}[32mintact"), "{shown}");
    let (_, shown) = on_terminal(&site, &["--color=never", "verify", &bundle], "").unwrap();
    assert!(!shown.contains("\u{1b}[3"), "{shown}");
    assert!(!site.run(&["verify", &bundle]).expect(0).out.contains('\u{1b}'));
    let always = site.run(&["--color=always", "verify", &bundle]).expect(0).out;
    assert!(always.contains("\u{1b}[32mintact"), "{always}");
}
