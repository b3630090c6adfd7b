use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use vgpu_tests::programs::Program;

use crate::bundler::sandbox::{Ran, Sandbox, bytes, has};
use crate::terminal::Terminal;

#[test]
fn no_key_is_trusted_without_reason() {
    let sandbox = Sandbox::with_recipe();
    sandbox.ok(&["build"]);
    sandbox.ok(&[
        "key",
        "generate",
        "--principal",
        "bob",
        "--no-passphrase",
        "--key",
        "bob",
        "--signers",
        "bobs",
    ]);
    // Bob trusts only himself.
    let error = sandbox.fails(3, &["verify", "node-1.vgpu.tar", "--signers", "bobs"]);
    assert!(error.contains("is not trusted") && error.contains("is not a trusted key"), "{error}");
    let error = sandbox.fails(1, &["verify", "node-1.vgpu.tar", "--signers", "nowhere"]);
    assert!(error.contains("no key is trusted yet") && error.contains("hint: "), "{error}");
    sandbox.write("broken", "alice ssh-ed25519 AAAA\n");
    sandbox.fails(1, &["verify", "node-1.vgpu.tar", "--signers", "broken"]);
}

#[test]
fn two_principals_make_a_threshold_of_two() {
    let sandbox = Sandbox::with_recipe();
    sandbox.ok(&["build"]);
    sandbox.ok(&["key", "generate", "--principal", "bob", "--no-passphrase", "--key", "bob"]);
    let two = ["verify", "--threshold", "2", "node-1.vgpu.tar"];
    let error = sandbox.fails(3, &two);
    assert!(error.contains("2 trusted signatures required for vgpu-bundle, found 1"), "{error}");
    let before = bytes(sandbox.work("node-1.vgpu.tar"));
    sandbox.ok(&["sign", "node-1.vgpu.tar", "--key", "bob"]);
    let verified = sandbox.ok(&two).out;
    assert!(verified.contains("signed by alice, bob"), "{verified}");
    // Only one slot of 512 bytes has changed.
    let after = bytes(sandbox.work("node-1.vgpu.tar"));
    assert_eq!(before.len(), after.len());
    let changed: Vec<_> = (0..before.len()).filter(|&i| before[i] != after[i]).collect();
    assert!(changed.iter().all(|i| (1024..1536).contains(i)), "{changed:?}");
    let error = sandbox.fails(1, &["sign", "node-1.vgpu.tar", "--key", "bob"]);
    assert!(error.contains("has already signed"), "{error}");
    let error = sandbox.fails(1, &["verify", "--threshold", "3", "node-1.vgpu.tar"]);
    assert!(error.contains("allowed_signers"), "{error}");
}

#[test]
fn a_revoked_key_counts_no_more() {
    let sandbox = Sandbox::with_recipe();
    sandbox.ok(&["build"]);
    sandbox.ok(&["key", "generate", "--principal", "bob", "--no-passphrase", "--key", "bob"]);
    let alice = fs::read_to_string(sandbox.path("home/.config/vgpu-offline/key.pub")).unwrap();
    sandbox.write("revoked", &format!("# stolen in June\n{alice}"));
    let revoked = ["verify", "node-1.vgpu.tar", "--revoked", "revoked"];
    let error = sandbox.fails(3, &revoked);
    assert!(error.contains("is revoked"), "{error}");
    sandbox.fails(3, &["inspect", "node-1.vgpu.tar", "--revoked", "revoked"]);
    sandbox.ok(&["verify", "node-1.vgpu.tar"]);
    // Another principal's signature satisfies the threshold again.
    sandbox.ok(&["sign", "node-1.vgpu.tar", "--key", "bob"]);
    let verified = sandbox.ok(&revoked).out;
    assert!(verified.contains("signed by bob\n"), "{verified}");
    // The default location needs no option.
    let place = sandbox.path("home/.config/vgpu-offline/revoked_keys");
    fs::write(&place, fs::read(sandbox.work("bob.pub")).unwrap()).unwrap();
    let both = sandbox.ok(&["verify", "node-1.vgpu.tar"]).out;
    assert!(both.contains("signed by alice\n"), "{both}");
    fs::write(&place, format!("{}{alice}", fs::read_to_string(sandbox.work("bob.pub")).unwrap()))
        .unwrap();
    // No trusted signer is left.
    let error = sandbox.fails(3, &["verify", "node-1.vgpu.tar"]);
    assert!(error.contains("but only 0 principals with valid keys may sign"), "{error}");
    assert!(error.contains("hint: revoked keys never count; create a key"), "{error}");

    let error = sandbox.fails(1, &["verify", "node-1.vgpu.tar", "--revoked", "nowhere"]);
    assert!(error.contains("no list of revoked keys at `nowhere`"), "{error}");
    for (text, word) in [("SSHKRL\n\0", "binary"), ("hash: x\n", "`hash:` line")] {
        sandbox.write("broken", text);
        let error = sandbox.fails(1, &["verify", "node-1.vgpu.tar", "--revoked", "broken"]);
        assert!(error.contains("cannot use the revoked keys `broken`"), "{error}");
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn a_damaged_bundle_gets_no_second_signature() {
    let sandbox = Sandbox::with_recipe();
    sandbox.ok(&["build"]);
    sandbox.ok(&["key", "generate", "--principal", "bob", "--no-passphrase", "--key", "bob"]);
    let mut bundle = bytes(sandbox.work("node-1.vgpu.tar"));
    bundle[5_000_000] ^= 1;
    fs::write(sandbox.work("node-1.vgpu.tar"), &bundle).unwrap();
    let error = sandbox.fails(3, &["sign", "node-1.vgpu.tar", "--key", "bob"]);
    assert!(error.contains("item `bin/tool` is damaged"), "{error}");
    assert_eq!(bytes(sandbox.work("node-1.vgpu.tar")), bundle);
}

#[test]
fn a_passphrase_may_be_mistyped_twice() {
    if !has("setsid") {
        return;
    }
    let sandbox = Sandbox::with_recipe();
    sandbox.ok(&["build"]);
    sandbox.write("pass", "correct horse\n");
    let secret = ["--principal", "bob", "--key", "bob", "--passphrase-file", "pass"];
    sandbox.ok(&[&["key", "generate"], &secret[..]].concat());
    let sign = ["sign", "node-1.vgpu.tar", "--key", "bob"];
    for (answers, status) in [
        (&["wrong", "also wrong", "wrong again"][..], 1),
        (&["wrong", "also wrong", "correct horse"], 0),
    ] {
        let mut terminal = Terminal::start(&sandbox.bundler(&sign), "bob: ");
        for answer in answers {
            terminal.answer("Passphrase for ", answer);
        }
        let (code, seen) = terminal.end();
        assert_eq!(code, Some(status), "{seen}");
        assert_eq!(seen.matches("wrong passphrase, please try again").count(), 2, "{seen}");
    }
    // A file does not change its mind.
    sandbox.write("pass", "wrong\n");
    let error = sandbox.fails(1, &[&sign[..], &["--passphrase-file", "pass"]].concat());
    assert!(error.contains("wrong passphrase") && !error.contains("try again"), "{error}");
}

#[test]
fn a_key_is_kept_as_keys_are() {
    let sandbox = Sandbox::empty();
    sandbox.write("pass", "correct horse\nsecond line\n");
    let generate = ["key", "generate", "--principal", "alice", "--passphrase-file", "pass"];
    let fingerprint = sandbox.ok(&generate).out;
    assert!(fingerprint.starts_with("SHA256:"), "{fingerprint}");
    let key = sandbox.path("home/.config/vgpu-offline/key");
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    let before = bytes(&key);
    // The existing file is not overwritten.
    let error = sandbox.fails(1, &generate);
    assert!(error.contains("exists; name another file"), "{error}");
    assert_eq!(bytes(&key), before);
    assert!(sandbox.ok(&["key", "show"]).out.ends_with(&fingerprint));
    let listed = sandbox.ok(&["key", "list"]).out;
    assert!(listed.contains(fingerprint.trim()) && listed.contains("alice"), "{listed}");

    sandbox.write("a.conf", "text\n");
    sandbox.ok(&["init", "--name", "gpu", "--file", "a.conf=a.conf"]);
    // Without a terminal or a passphrase there is no signature; the command line never takes a
    // passphrase.
    let mut alone = sandbox.command("setsid");
    alone.arg("--wait").arg(crate::program(Program::Bundler)).arg("build");
    let error = Ran::from(alone.output().unwrap()).expect(1, &["build"]).err;
    assert!(error.contains("no terminal to ask on; use `--passphrase-file`"), "{error}");
    sandbox.write("wrong", "incorrect horse\n");
    let error = sandbox.fails(1, &["build", "--passphrase-file", "wrong"]);
    assert!(error.contains("wrong passphrase"), "{error}");
    sandbox.ok(&["build", "--passphrase-file", "pass"]);
    // As a file descriptor opened by the shell.
    let mut build = sandbox.bundler(&["build", "--passphrase-file", "/dev/fd/0"]);
    build.stdin(fs::File::open(sandbox.work("pass")).unwrap());
    Ran::from(build.output().unwrap()).expect(0, &["build"]);
    if has("ssh-keygen") {
        let mut read = sandbox.command("ssh-keygen");
        read.args(["-y", "-P", "correct horse", "-f"]).arg(&key);
        let read = Ran::from(read.output().unwrap()).expect(0, &["ssh-keygen"]);
        let public = fs::read_to_string(key.with_extension("pub")).unwrap();
        assert!(public.starts_with(read.out.trim()), "{public}");
    }
}

#[test]
fn a_passphrase_is_asked_for_on_the_terminal_and_not_shown() {
    if !has("script") {
        return;
    }
    let sandbox = Sandbox::empty();
    let mut script = sandbox.command("script");
    let generate = format!("{} key generate --principal alice", crate::program(Program::Bundler));
    script.args(["--quiet", "--return", "--command", &generate, "/dev/null"]);
    let mut child = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut keys = child.stdin.take().unwrap();
    // With a typing error that is corrected, and the whole dialog twice.
    for _ in 0..2 {
        std::thread::sleep(std::time::Duration::from_millis(500));
        keys.write_all(b"sesamex\x7f\r").unwrap();
    }
    let ran = Ran::from(child.wait_with_output().unwrap()).expect(0, &["script"]);
    assert!(ran.out.contains("Passphrase for the new key"), "{}", ran.out);
    assert!(!ran.out.contains("sesame"), "{}", ran.out);
    drop(keys);

    sandbox.write("pass", "sesame\n");
    sandbox.write("a.conf", "text\n");
    sandbox.ok(&["init", "--name", "gpu", "--file", "a.conf=a.conf"]);
    sandbox.ok(&["build", "--passphrase-file", "pass"]);
}

#[test]
fn an_agent_signs_without_giving_its_key_away() {
    if !has("ssh-agent") || !has("ssh-add") {
        return;
    }
    let sandbox = Sandbox::with_recipe();
    let socket = sandbox.path("agent");
    let mut agent = sandbox.command("ssh-agent");
    let mut agent = agent.arg("-D").arg("-a").arg(&socket).stdout(Stdio::null()).spawn().unwrap();
    for _ in 0..200 {
        if socket.exists() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let key = sandbox.path("home/.config/vgpu-offline/key");
    let mut add = sandbox.command("ssh-add");
    let added = add.arg("-q").arg(&key).env("SSH_AUTH_SOCK", &socket).status().unwrap();
    fs::rename(&key, sandbox.path("elsewhere")).unwrap();
    let fingerprint =
        sandbox.ok(&["key", "show", "--key", "../home/.config/vgpu-offline/key.pub"]).out;
    let fingerprint = fingerprint.lines().nth(1).unwrap().to_owned();
    let with_agent = |args: &[&str]| {
        Ran::from(sandbox.bundler(args).env("SSH_AUTH_SOCK", &socket).output().unwrap())
    };
    let built = with_agent(&["build", "--agent", &fingerprint]);
    let listed = with_agent(&["key", "list"]);
    let unlisted = fingerprint.replace(&fingerprint[10..20], "AAAAAAAAAA");
    let unknown = with_agent(&["build", "--agent", &unlisted]);
    agent.kill().unwrap();
    agent.wait().unwrap();

    assert!(added.success());
    built.expect(0, &["build"]);
    assert!(listed.out.contains("ssh-agent"), "{}", listed.out);
    assert!(unknown.expect(1, &["build"]).err.contains("hint: add it with `ssh-add"));
    sandbox.ok(&["verify", "node-1.vgpu.tar"]);
    let error = sandbox.fails(1, &["build", "--agent", &fingerprint]);
    assert!(error.contains("`SSH_AUTH_SOCK` is not set"), "{error}");
}
