//! JSON output: one document on stdout, all messages on stderr.

use serde_json::Value;

use crate::bundler::sandbox::{Ran, Sandbox};

/// Runs a command and parses its stdout as one document.
fn json(sandbox: &Sandbox, words: &[&str]) -> Value {
    let out = sandbox.ok(&[words, &["--json"]].concat()).out;
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{words:?}: {error}: {out}"))
}

#[test]
fn every_step_from_recipe_to_bundle_answers_a_program() {
    let sandbox = Sandbox::with_recipe();
    let locked = json(&sandbox, &["lock"]);
    assert_eq!((&locked["state"], &locked["sequence"]), (&"written".into(), &1.into()));
    assert!(locked["changes"].as_array().unwrap().len() >= 3, "{locked}");
    let again = json(&sandbox, &["update"]);
    assert_eq!((&again["state"], &again["changes"]), (&"up-to-date".into(), &Value::Array(vec![])));
    let fetched = json(&sandbox, &["fetch"]);
    assert_eq!((&fetched["items"], &fetched["fetched"]), (&4.into(), &Value::Array(vec![])));

    let built = json(&sandbox, &["build"]);
    let bundle = built["bundle"].as_str().unwrap();
    let verified = json(&sandbox, &["verify", bundle]);
    assert_eq!(verified["intact"], true);
    assert_eq!(verified["digest"], built["digest"]);
    assert_eq!(verified["keys"][0], built["signed-by"]);
    sandbox.ok(&["key", "generate", "--principal", "bob", "--no-passphrase", "--key", "bob"]);
    let signed = json(&sandbox, &["sign", bundle, "--key", "bob"]);
    assert_eq!((&signed["slot"], &signed["digest"]), (&2.into(), &built["digest"]));
    let extracted = json(&sandbox, &["extract", bundle, "etc/a.conf", "-o", "x"]);
    assert_eq!(extracted[0]["path"], "x/etc/a.conf");
    assert_eq!(extracted[0]["size"], 14);
}

#[test]
fn keys_and_cache_answer_a_program() {
    let sandbox = Sandbox::with_recipe();
    sandbox.ok(&["lock"]);
    let shown = json(&sandbox, &["key", "show"]);
    assert!(shown["fingerprint"].as_str().unwrap().starts_with("SHA256:"), "{shown}");
    let listed = json(&sandbox, &["key", "list"]);
    assert_eq!(listed["allowed"][0]["fingerprint"], shown["fingerprint"]);
    assert_eq!(listed["allowed"][0]["namespaces"][0], "vgpu-bundle");
    let made =
        json(&sandbox, &["key", "generate", "--principal", "bob", "--no-passphrase", "--key", "b"]);
    assert_ne!(made["fingerprint"], shown["fingerprint"]);

    let verified = json(&sandbox, &["cache", "verify"]);
    assert_eq!((&verified["contents"], &verified["removed"]), (&4.into(), &Value::Array(vec![])));
    let swept = json(&sandbox, &["cache", "gc", "--unused-for", "0"]);
    assert_eq!(swept["removed"].as_array().unwrap().len(), 4);
    assert!(json(&sandbox, &["cache", "path"])["path"].as_str().unwrap().ends_with("vgpu-offline"));
}

#[test]
fn the_doctor_names_what_the_recipe_lacks() {
    let sandbox = Sandbox::with_recipe();
    let well = json(&sandbox, &["doctor"]);
    assert_eq!(well["ready"], true, "{well}");
    let what = |answer: &Value| -> Vec<String> {
        let findings = answer["findings"].as_array().unwrap();
        findings.iter().map(|it| it["what"].as_str().unwrap().to_owned()).collect()
    };
    // Files and folders need neither a network nor git.
    assert_eq!(what(&well), ["cache", "output", "clock", "key", "allowed signers", "input"]);

    let recipe = sandbox.read("bundle.toml");
    let commit = "ab".repeat(20);
    let git = format!(
        "[[tree]]\nname = 'g.tar.zst'\ngit = 'https://git.example/g'\ncommit = '{commit}'\n"
    );
    sandbox.write("bundle.toml", &recipe.replace("[host]", &format!("{git}[host]")));
    let mut poor = sandbox.bundler(&["doctor", "--json"]);
    poor.env("PATH", sandbox.path("home")).env("https_proxy", "socks5://user:secret@x");
    let poor = Ran::from(poor.output().unwrap()).expect(1, &["doctor"]);
    let answer: Value = serde_json::from_str(&poor.out).unwrap();
    assert_eq!(answer["ready"], false);
    let missing: Vec<_> = answer["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|it| it["state"] == "missing")
        .collect();
    assert_eq!(missing.iter().map(|it| &it["what"]).collect::<Vec<_>>(), ["proxy", "git"]);
    assert!(missing.iter().all(|it| it["hint"].is_string()));
    assert!(!poor.out.contains("secret") && !poor.err.contains("secret"), "{poor:?}");
    assert!(poor.err.contains("this machine lacks: proxy, git"), "{}", poor.err);

    // Without a recipe, most missing tools may not be needed; a key is always required.
    let empty = Sandbox::empty();
    let error = empty.fails(1, &["doctor"]);
    assert!(
        error.contains("no recipe here") && error.contains("this machine lacks: key"),
        "{error}"
    );
    let error = empty.fails(1, &["doctor", "--recipe", "other.toml"]);
    assert!(error.contains("there is no recipe at `other.toml`"), "{error}");
}

#[test]
fn a_new_recipe_is_described_to_a_program() {
    let sandbox = Sandbox::empty();
    let machine = ["--gpu", "10de:1eb8", "--pve", "8.4", "--kernel", "6.8.12-43-pve"];
    let made = json(&sandbox, &[&["init", "--name", "gpu"], &machine[..]].concat());
    assert_eq!((&made["recipe"], &made["name"]), (&"bundle.toml".into(), &"gpu".into()));
    assert!(made["choice"].as_str().unwrap().starts_with("vGPU "), "{made}");
    assert_eq!(made["targets"]["gpu"][0], "10de:1eb8");
}

#[test]
fn a_failure_is_a_document_too() {
    let sandbox = Sandbox::with_recipe();
    let fails = |words: &[&str], code: i32, class: &str| {
        let words = [words, &["--json"]].concat();
        let said = Ran::from(sandbox.bundler(&words).output().unwrap()).expect(code, &words);
        let document: Value = serde_json::from_str(&said.out)
            .unwrap_or_else(|error| panic!("{words:?}: {error}: {}", said.out));
        assert_eq!(document["error"]["class"], class, "{document}");
        let message = document["error"]["message"].as_str().unwrap().lines().next().unwrap();
        assert!(said.err.contains(message), "{message}: {}", said.err);
        document["error"]["hint"].as_str().map(str::to_owned)
    };
    assert_eq!(fails(&["verify", "missing.vgpu.tar"], 1, "failed"), None);
    sandbox.write("x.vgpu.tar", "no archive");
    fails(&["verify", "x.vgpu.tar"], 3, "untrusted");
    let hint = fails(&["fetch"], 1, "failed").unwrap();
    assert!(hint.contains("vgpu-bundler lock"), "{hint}");
    fails(&["lock", "--no-such-option"], 2, "usage");
}
