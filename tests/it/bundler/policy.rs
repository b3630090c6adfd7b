//! Policies of nodes, from the first one to the bundle that carries them.

use std::fs;

use vgpu_keys::PublicKey;

use crate::bundler::sandbox::Sandbox;
use crate::keys::authenticator::{SecurityKey, TokenAgent};

/// Returns a sandbox with the signers alice, whose key is the default one, and bob.
fn ready() -> Sandbox {
    let sandbox = Sandbox::with_recipe();
    sandbox.ok(&["key", "generate", "--principal", "bob", "--no-passphrase", "--key", "bob"]);
    sandbox
}

fn fingerprint(sandbox: &Sandbox, file: &str) -> String {
    sandbox.read(file).trim().parse::<PublicKey>().unwrap().fingerprint().to_string()
}

#[test]
fn policies_are_written_signed_and_carried() {
    let sandbox = ready();
    let init = sandbox.ok(&["policy", "init", "--policy-threshold", "2"]);
    let text = sandbox.read("policy-1.toml");
    let head = "version = 1\nthreshold = 1\npolicy-threshold = 2\nchannels = [\"stable\"]\n";
    assert!(text.starts_with(head), "{text}");
    let digest = vgpu_manifest::Digest::of(text.as_bytes()).to_string();
    assert_eq!(init.out.trim(), digest);
    assert!(init.err.contains("next: vgpu-bundler policy sign policy-1.toml"), "{}", init.err);
    assert!(sandbox.fails(1, &["policy", "init"]).contains("never overwritten"));

    sandbox.ok(&["key", "generate", "--principal", "carol", "--no-passphrase", "--key", "carol"]);
    let edit = ["policy", "edit", "policy-1.toml"];
    assert!(sandbox.fails(1, &edit).contains("would be the same"));
    let more = ["--revoke", "bob", "--trust", "carol=carol.pub", "--channel", "edge"];
    let edited = sandbox.ok(&[&edit[..], &more].concat()).err;
    let bob = fingerprint(&sandbox, "bob.pub");
    for words in
        [&format!("revoke {bob} of bob"), "trust carol with SHA256:", "accept channel edge"]
    {
        assert!(edited.contains(words), "{edited}");
    }
    let unsigned = sandbox.read("policy-2.toml");
    assert!(unsigned.contains(sandbox.read("bob.pub").split(' ').nth(1).unwrap()));

    let signed = sandbox.ok(&["policy", "sign", "policy-2.toml"]).err;
    assert!(signed.contains("its own signers: 2 trusted signatures required"), "{signed}");
    let again = sandbox.fails(2, &["policy", "sign", "policy-2.toml"]);
    assert!(again.contains("has already signed"), "{again}");
    let show = ["policy", "show", "policy-2.toml", "--after", "policy-1.toml"];
    let shown = sandbox.ok(&show).out;
    assert!(shown.contains("signers of policy 1: 2 trusted signatures required"), "{shown}");
    sandbox.write(
        "bundle.toml",
        &sandbox
            .read("bundle.toml")
            .replace("[[file]]\nname = 'etc", "policies = 'policy-2.toml'\n[[file]]\nname = 'etc"),
    );
    let early = sandbox.fails(3, &["lock"]);
    assert!(
        early.contains("cannot use `policies`, policy-2.toml") && early.contains("too few"),
        "{early}"
    );

    sandbox.ok(&["policy", "sign", "policy-2.toml", "--key", "bob"]);
    sandbox.ok(&["policy", "sign", "policy-2.toml", "--key", "carol"]);
    assert!(sandbox.read("policy-2.toml").starts_with(&unsigned), "the document is unchanged");
    let json: serde_json::Value =
        serde_json::from_str(&sandbox.ok(&[&show[..], &["--json"]].concat()).out).unwrap();
    assert_eq!(json["own-signers"]["enough"], true, "{json:#}");
    assert_eq!(json["after"]["signers"]["enough"], true, "{json:#}");
    assert_eq!(json["signatures"].as_array().unwrap().len(), 3);

    sandbox.ok(&["build", "--check"]);
    let names = sandbox.command("tar").args(["-tf", "node-1.vgpu.tar"]).output().unwrap().stdout;
    assert_eq!(String::from_utf8(names).unwrap().lines().nth(3), Some("policies"));
    for command in ["verify", "inspect"] {
        let out = sandbox.ok(&[command, "node-1.vgpu.tar"]).out;
        assert!(out.contains("brings policy 2 of nodes"), "{out}");
    }
    sandbox.ok(&["extract", "node-1.vgpu.tar", "--output", "out"]);
    assert_eq!(
        fs::read(sandbox.work("out/policies")).unwrap(),
        fs::read(sandbox.work("policy-2.toml")).unwrap()
    );

    // A later policy follows in the same file.
    let second = sandbox.read("policy-2.toml");
    sandbox.ok(&[
        "policy",
        "edit",
        "policy-2.toml",
        "--remove",
        "alice",
        "--policy-threshold",
        "1",
    ]);
    let error = sandbox.fails(2, &["policy", "edit", "policy-2.toml", "--remove", "mallory"]);
    assert!(error.contains("mallory is not trusted"), "{error}");
    for key in ["--key=carol", "--key=../home/.config/vgpu-offline/key"] {
        sandbox.ok(&["policy", "sign", "policy-3.toml", key]);
    }
    sandbox.write("policy-2.toml", &(second + &sandbox.read("policy-3.toml")));
    sandbox.ok(&["update", "policies"]);
    sandbox.ok(&["build", "--key", "carol"]);
    let out = sandbox.ok(&["inspect", "node-2.vgpu.tar", "--json"]).out;
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(json["policies"], serde_json::json!([2, 3]));
}

#[test]
fn too_few_signers_of_policies_are_a_warning() {
    let sandbox = ready();
    let only = ["--policy-threshold", "3", "--output", "three.toml"];
    let ran = sandbox.ok(&[&["policy", "init"][..], &only].concat());
    assert!(ran.err.contains("warning: too few signers may sign a policy"), "{}", ran.err);
    sandbox.fails(1, &["policy", "init", "--threshold", "3", "--output", "four.toml"]);
    let error = sandbox.fails(3, &["policy", "sign", "bundle.toml"]);
    assert!(error.contains("the first line of a policy must be"), "{error}");
}

/// The security key has to be touched once, although the bundle is built twice.
#[test]
fn a_security_key_signs_bundles_policies_and_second_signatures() {
    let sandbox = ready();
    let token = SecurityKey::new(7);
    let agent = TokenAgent::start(token.clone());
    sandbox.write("token.pub", &(token.line() + "\n"));
    let signers = sandbox.path("home/.config/vgpu-offline/allowed_signers");
    let roles = "vgpu-bundle,vgpu-policy,vgpu-installer";
    let line = format!("token namespaces=\"{roles}\" {}\n", token.line());
    fs::write(&signers, fs::read_to_string(&signers).unwrap() + &line).unwrap();
    let fingerprint = token.public().fingerprint().to_string();
    let run = |words: &[&str]| {
        let mut command = sandbox.bundler(words);
        let ran = command.env("SSH_AUTH_SOCK", agent.socket()).output().unwrap();
        crate::bundler::sandbox::Ran::from(ran)
    };
    let listed = run(&["key", "list"]).expect(0, &[]).out;
    assert_eq!(listed.matches(&fingerprint).count(), 2, "{listed}");
    assert!(sandbox.ok(&["key", "show", "--key", "token.pub"]).out.contains(&fingerprint));
    let built = run(&["build", "--check", "--agent", &fingerprint]).expect(0, &[]);
    assert!(built.err.contains("touch it when it blinks"), "{}", built.err);
    assert!(sandbox.ok(&["verify", "node-1.vgpu.tar"]).out.contains("signed by token"));
    sandbox.ok(&["sign", "node-1.vgpu.tar"]);
    sandbox.ok(&["verify", "--threshold", "2", "node-1.vgpu.tar"]);
    sandbox.ok(&["build"]);
    run(&["sign", "node-1.vgpu.tar", "--agent", &fingerprint]).expect(0, &[]);
    sandbox.ok(&["verify", "--threshold", "2", "node-1.vgpu.tar"]);
    sandbox.ok(&["policy", "init"]);
    run(&["policy", "sign", "policy-1.toml", "--agent", &fingerprint]).expect(0, &[]);
    let shown = sandbox.ok(&["policy", "show", "policy-1.toml"]).out;
    assert!(shown.contains("its own signers: enough have signed (token)"), "{shown}");
}
