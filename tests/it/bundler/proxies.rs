//! Downloads through a forward proxy from the environment.

use std::process::Command;

use crate::bundler::network::tls;
use crate::bundler::sandbox::{Ran, Sandbox, has};
use crate::liar::{Act, Liar};
use crate::proxy::Proxy;

const CONTENT: &[u8] = b"over a proxy\n";

/// Returns a sandbox whose recipe has one item at this address.
fn sandbox(url: &str) -> Sandbox {
    let sandbox = Sandbox::empty();
    let sha256 = vgpu_manifest::Digest::of(CONTENT);
    let item = format!("[[file]]\nname = 'item'\nurl = '{url}'\nsha256 = '{sha256}'\n");
    sandbox.write("bundle.toml", &format!("[bundle]\nname = 'net'\nchannel = 'stable'\n{item}"));
    sandbox
}

fn lock(sandbox: &Sandbox, environment: &[(&str, &str)]) -> Ran {
    let mut lock: Command = sandbox.bundler(&["lock", "--attempts", "1"]);
    Ran::from(lock.envs(environment.iter().copied()).output().unwrap())
}

#[test]
fn plain_requests_go_through_the_proxy_but_for_those_that_shall_not() {
    let server = Liar::new(CONTENT, [Act::Honest]);
    let url = server.url();
    let port = url.rsplit(':').next().unwrap();
    let named = format!("http://files.mirror.example:{port}");
    for variable in ["http_proxy", "HTTP_PROXY", "all_proxy"] {
        let proxy = Proxy::new(None);
        let address = format!("http://{}", proxy.address());
        let sandbox = sandbox(&named);
        lock(&sandbox, &[(variable, &address)]).expect(0, &[variable]);
        assert_eq!(proxy.asked(), [format!("GET {named} HTTP/1.1")], "{variable}");
    }
    for (except, direct) in [
        ("mirror.example", true),
        (".mirror.example", true),
        ("other.example, files.mirror.example", true),
        ("*", true),
        ("other.example", false),
        ("irror.example", false),
    ] {
        let proxy = Proxy::new(None);
        let address = format!("http://{}", proxy.address());
        let ran = lock(&sandbox(&named), &[("http_proxy", &address), ("no_proxy", except)]);
        // The name does not resolve, so a direct connection fails.
        ran.expect(i32::from(direct), &[except]);
        assert_eq!(proxy.asked().is_empty(), direct, "{except}");
    }
    let proxy = Proxy::new(None);
    let address = format!("http://{}", proxy.address());
    let direct = [("http_proxy", address.as_str()), ("no_proxy", "127.0.0.0/8")];
    lock(&sandbox(&url), &direct).expect(0, &["no_proxy"]);
    assert!(proxy.asked().is_empty());
}

#[test]
fn a_secure_server_is_reached_through_a_tunnel() {
    if !has("openssl") {
        return;
    }
    let sandbox = sandbox("https://localhost:1/item");
    let server = tls(&sandbox);
    sandbox.write("item", std::str::from_utf8(CONTENT).unwrap());
    let recipe = sandbox.read("bundle.toml");
    sandbox.write("bundle.toml", &recipe.replace(":1/", &format!(":{}/", server.port())));
    let proxy = Proxy::new(None);
    let address = format!("http://{}", proxy.address());
    let certificates = sandbox.work("tls.crt");
    let certificates = certificates.to_str().unwrap();
    lock(&sandbox, &[("https_proxy", &address), ("SSL_CERT_FILE", certificates)])
        .expect(0, &["https_proxy"]);
    assert_eq!(proxy.asked(), [format!("CONNECT localhost:{} HTTP/1.1", server.port())]);
    assert_eq!(sandbox.locked()[0], vgpu_manifest::Digest::of(CONTENT).to_string());
}

#[test]
fn a_proxy_password_reaches_the_proxy_only() {
    let server = Liar::new(CONTENT, [Act::Honest]);
    // `user:secret` in base64.
    let proxy = Proxy::new(Some("Basic dXNlcjpzZWNyZXQ="));
    let sandbox = sandbox(&server.url());
    let address = format!("http://{}", proxy.address());
    let refused = lock(&sandbox, &[("http_proxy", &address)]).expect(1, &["no password"]).err;
    assert!(refused.contains("answers 407"), "{refused}");
    assert!(refused.contains("proxy"), "{refused}");
    let with = |pass: &str| format!("http://user:{pass}@{}", proxy.address());
    let wrong = lock(&sandbox, &[("http_proxy", &with("wrong"))]).expect(1, &["wrong password"]);
    assert!(!wrong.err.contains("wrong"), "{}", wrong.err);
    let right = lock(&sandbox, &[("http_proxy", &with("secret"))]).expect(0, &["right password"]);
    for text in [right.err, right.out, sandbox.read("bundle.lock")] {
        assert!(!text.contains("secret"), "{text}");
    }
    // A tunnel sends it too.
    let sandbox = self::sandbox("https://localhost:1/item");
    let refused = lock(&sandbox, &[("https_proxy", &address)]).expect(1, &["no password"]).err;
    assert!(refused.contains("proxy"), "{refused}");
}

#[test]
fn a_proxy_that_is_not_there_is_named() {
    let gone = Proxy::new(None).address();
    let sandbox = sandbox("http://mirror.example/item");
    let error = lock(&sandbox, &[("http_proxy", &format!("http://user:secret@{gone}"))]);
    let error = error.expect(1, &["http_proxy"]).err;
    assert!(error.contains("cannot reach http://mirror.example/item"), "{error}");
    assert!(!error.contains("secret"), "{error}");
}
