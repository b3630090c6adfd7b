use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::bundler::sandbox::{Ran, Sandbox, bytes, has};
use crate::liar::{Act, Liar};

fn content() -> Vec<u8> {
    (0..1_000_000_u32).flat_map(u32::to_le_bytes).collect()
}

/// Returns a sandbox whose recipe has one item for each of these addresses.
fn sandbox(urls: &[&str]) -> Sandbox {
    let sandbox = Sandbox::empty();
    sandbox.ok(&["key", "generate", "--principal", "alice", "--no-passphrase"]);
    let items = urls.iter().enumerate();
    let items = items.map(|(i, url)| format!("[[file]]\nname = 'item{i}'\nurl = '{url}'\n"));
    let items: String = items.collect();
    sandbox.write("bundle.toml", &format!("[bundle]\nname = 'net'\nchannel = 'stable'\n{items}"));
    sandbox
}

#[test]
fn a_download_is_pinned_until_it_is_updated() {
    let mut other = content();
    other.reverse();
    let liar = Liar::new(&content(), [Act::Honest, Act::Become(other.clone()), Act::Honest]);
    let sandbox = sandbox(&[&liar.url()]);
    sandbox.ok(&["lock"]);
    let lock = sandbox.read("bundle.lock");
    // A second `lock` sends no requests.
    sandbox.ok(&["lock", "--offline"]);
    assert_eq!(liar.ranges().len(), 1);
    sandbox.ok(&["build", "--offline"]);
    sandbox.ok(&["extract", "net-1.vgpu.tar", "item0", "-o", "x"]);
    assert_eq!(bytes(sandbox.work("x/item0")), content());

    let updated = sandbox.ok(&["update", "item0"]).err;
    assert!(updated.contains("~ item0: 3.8 MiB ("), "{updated}");
    assert_ne!(sandbox.read("bundle.lock"), lock);
    // The old lock does not accept the new content.
    sandbox.write("bundle.lock", &lock);
    fs::remove_dir_all(sandbox.path("home/.cache")).unwrap();
    let error = sandbox.fails(1, &["build"]);
    assert!(error.contains("has another content"), "{error}");
    assert!(sandbox.fails(1, &["update", "item7"]).contains("no item `item7`"));
}

#[test]
fn offline_means_offline() {
    let liar = Liar::new(&content(), [Act::Honest]);
    let sandbox = sandbox(&[&liar.url()]);
    let error = sandbox.fails(1, &["lock", "--offline"]);
    assert!(error.contains("`--offline`"), "{error}");
    assert!(liar.ranges().is_empty());
}

#[test]
fn a_download_survives_a_kill() {
    let pinned = format!("sha256 = '{}'\n", vgpu_manifest::Digest::of(&content()));
    for pin in ["", &pinned] {
        let liar = Liar::new(&content(), [Act::Slow(Duration::from_millis(50)), Act::Honest]);
        let sandbox = sandbox(&[&liar.url()]);
        let recipe = sandbox.read("bundle.toml");
        sandbox.write("bundle.toml", &format!("{recipe}{pin}"));
        let mut child = sandbox.bundler(&["lock"]).stderr(Stdio::null()).spawn().unwrap();
        let partial = sandbox.path("home/.cache/vgpu-offline/partial");
        let has_some = |dir: &std::path::Path| {
            let files = fs::read_dir(dir).into_iter().flatten().flatten();
            files.filter_map(|file| file.metadata().ok()).any(|meta| meta.len() > 500_000)
        };
        let begun = Instant::now();
        while !has_some(&partial) {
            assert!(begun.elapsed() < Duration::from_secs(30), "nothing comes");
            std::thread::sleep(Duration::from_millis(5));
        }
        child.kill().unwrap();
        child.wait().unwrap();

        sandbox.ok(&["lock"]);
        let ranges = liar.ranges();
        assert!(matches!(ranges[..], [None, Some(from)] if from > 500_000), "{ranges:?}");
        sandbox.ok(&["build"]);
        sandbox.ok(&["extract", "net-1.vgpu.tar", "item0", "-o", "x"]);
        assert_eq!(bytes(sandbox.work("x/item0")), content());
        assert_eq!(fs::read_dir(&partial).unwrap().count(), 0);
    }
}

#[test]
fn four_downloads_run_at_a_time() {
    // Rate limit: 16 chunks of 64 KiB, one every 25 ms.
    let small = &content()[..1 << 20];
    let contents: Vec<_> = (0..8).map(|i| [small, &[i]].concat()).collect();
    let liars = Liar::group(&contents, &Act::Slow(Duration::from_millis(25)));
    let urls: Vec<String> = liars.iter().map(Liar::url).collect();
    let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
    let sandbox = sandbox(&urls);
    let busiest = |words: &[&str]| {
        let _ = fs::remove_dir_all(sandbox.path("home/.cache"));
        sandbox.ok(words);
        liars[0].busiest()
    };
    // A server can notice the end of a download after the next one has begun.
    for command in ["lock", "fetch"] {
        let four = busiest(&[command]);
        assert!((4..=5).contains(&four), "{command}: {four}");
    }
    let _ = fs::remove_file(sandbox.work("bundle.lock"));
    for command in ["lock", "fetch"] {
        let one = busiest(&[command, "--jobs", "1"]);
        assert!((1..=2).contains(&one), "{command}: {one}");
    }
}

#[test]
fn the_last_word_names_the_server_and_the_reason() {
    let liar = Liar::new(&content(), [Act::Status(404, "")]);
    let error = sandbox(&[&liar.url()]).fails(1, &["lock"]);
    assert!(
        error.contains(&format!("cannot fetch `item0`: {} answers 404", liar.url())),
        "{error}"
    );
    let liar = Liar::new(&content(), [Act::Stall(1000)]);
    let begun = Instant::now();
    let error =
        sandbox(&[&liar.url()]).fails(1, &["lock", "--stall-timeout", "1", "--attempts", "2"]);
    assert!(begun.elapsed() < Duration::from_secs(20));
    assert!(error.contains("has sent nothing for 1 s"), "{error}");
}

#[test]
fn a_token_in_an_address_stays_out_of_sight() {
    let liar = Liar::new(&content(), [Act::Honest]);
    let sandbox = sandbox(&[&format!("{}?token=secret", liar.url())]);
    let locked = sandbox.ok(&["lock"]).err;
    let built = sandbox.ok(&["build"]).err;
    let shown = sandbox.ok(&["inspect", "net-1.vgpu.tar"]).out;
    for text in [locked, built, shown] {
        assert!(!text.contains("secret"), "{text}");
    }
    let bundle = bytes(sandbox.work("net-1.vgpu.tar"));
    assert!(!bundle.windows(6).any(|window| window == b"secret"));
}

/// A real TLS server with an untrusted certificate.
pub(crate) struct Tls(Child, u16);

impl Tls {
    pub(crate) fn port(&self) -> u16 {
        self.1
    }
}

impl Drop for Tls {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn tls(sandbox: &Sandbox) -> Tls {
    let mut make = sandbox.command("openssl");
    make.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]);
    make.args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "2"]);
    make.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
    make.args(["-keyout", "tls.key", "-out", "tls.crt"]);
    Ran::from(make.output().unwrap()).expect(0, &["openssl"]);
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut serve = sandbox.command("openssl");
    serve.args(["s_server", "-quiet", "-WWW", "-cert", "tls.crt", "-key", "tls.key", "-accept"]);
    serve.arg(port.to_string()).stdout(Stdio::null()).stderr(Stdio::null());
    let server = Tls(serve.spawn().unwrap(), port);
    let begun = Instant::now();
    while TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))).is_err() {
        assert!(begun.elapsed() < Duration::from_secs(20), "the server does not start");
        std::thread::sleep(Duration::from_millis(20));
    }
    server
}

#[test]
fn https_needs_a_certificate_that_this_machine_trusts() {
    if !has("openssl") {
        return;
    }
    let sandbox = Sandbox::empty();
    let server = tls(&sandbox);
    sandbox.write("item", "over TLS\n");
    // That server does not send a length, so only the digest shows that the file is complete.
    let sha256 = vgpu_manifest::Digest::of(b"over TLS\n");
    sandbox.write(
        "bundle.toml",
        &format!(
            "[bundle]\nname = 'tls'\nchannel = 'stable'\n[[file]]\nname = 'item'\n\
         url = 'https://localhost:{}/item'\nsha256 = '{sha256}'\n",
            server.port(),
        ),
    );
    let lock = |certificates: &str| {
        let mut lock = sandbox.bundler(&["lock", "--attempts", "2"]);
        Ran::from(lock.env("SSL_CERT_FILE", sandbox.work(certificates)).output().unwrap())
    };
    sandbox.write("none.crt", "");
    let error = lock("none.crt").expect(1, &["lock"]).err;
    assert!(error.contains("cannot trust https://localhost"), "{error}");
    lock("tls.crt").expect(0, &["lock"]);
    assert_eq!(sandbox.locked()[0], sha256.to_string());
}
