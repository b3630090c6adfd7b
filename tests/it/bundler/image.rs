use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use base64ct::{Base64, Encoding as _};

use crate::bundler::sandbox::{Ran, Sandbox, bytes};
use crate::registry::{Door, FakeRegistry, Image, Lie, digest};

/// Returns a layer of about 1.2 MB that no other image shares.
fn layer(seed: u32) -> Vec<u8> {
    (0..300_000_u32).flat_map(|i| (i ^ seed << 20).to_le_bytes()).collect()
}

fn image(seed: u32) -> (Vec<Vec<u8>>, Image) {
    let layers = vec![layer(2 * seed), layer(2 * seed + 1)];
    let image = Image::docker(&layers.iter().map(Vec::as_slice).collect::<Vec<_>>());
    (layers, image)
}

/// Returns a laptop whose recipe has one image.
fn laptop(registry: &FakeRegistry) -> Sandbox {
    let sandbox = Sandbox::empty();
    sandbox.ok(&["key", "generate", "--principal", "alice", "--no-passphrase"]);
    sandbox.write(
        "bundle.toml",
        &format!(
            "[bundle]\nname = 'net'\nchannel = 'stable'\n[[image]]\nname = 'licensing/dls.tar'\n\
             image = '{}/team/dls:1'\ntransport = 'plain-http'\n",
            registry.host()
        ),
    );
    sandbox
}

#[test]
fn an_image_is_pinned_until_it_is_updated() {
    let registry = FakeRegistry::new(Door::Token(1000));
    let (_, first) = image(1);
    registry.image("team/dls", "1", &first);
    let alice = laptop(&registry);
    let locked = alice.ok(&["lock"]).err;
    let name = format!("{}/team/dls:1", registry.host());
    assert!(locked.contains(&format!("+ image {name}: digest ")), "{locked}");
    let lock = alice.read("bundle.lock");
    assert!(lock.contains(&digest(&first.manifest())["sha256:".len()..]), "{lock}");
    // The tag moves; the lock is unaffected.
    let (_, second) = image(2);
    registry.image("team/dls", "1", &second);
    let asked = registry.asked().len();
    alice.ok(&["lock", "--offline"]);
    alice.ok(&["build", "--offline"]);
    assert_eq!(registry.asked().len(), asked);

    // Another machine with the same lock requests by digest and builds the same bundle.
    let bob = laptop(&registry);
    bob.write("bundle.lock", &lock);
    fs::remove_dir_all(bob.path("home/.config")).unwrap();
    let config = "home/.config/vgpu-offline";
    fs::create_dir_all(bob.path(config)).unwrap();
    for file in fs::read_dir(alice.path(config)).unwrap().map(Result::unwrap) {
        fs::copy(file.path(), bob.path(config).join(file.file_name())).unwrap();
    }
    let before = registry.times("/manifests/1");
    bob.ok(&["build"]);
    assert_eq!(registry.times("/manifests/1"), before);
    let bundle = "net-1.vgpu.tar";
    assert!(bytes(alice.work(bundle)) == bytes(bob.work(bundle)));

    let shown = bob.ok(&["inspect", bundle]).out;
    let name = format!("{}/team/dls:1", registry.host());
    for word in
        ["container image", &name, "rewritten from Docker's form", &digest(&first.manifest())]
    {
        assert!(shown.contains(word), "{word}: {shown}");
    }
    let updated = alice.ok(&["update"]).err;
    let change = format!("~ image {}/team/dls: digest ", registry.host());
    assert!(updated.contains(&change) && updated.contains(" → "), "{updated}");
    alice.ok(&["build"]);
    let differs = alice.ok(&["diff", bundle, "net-2.vgpu.tar"]).out;
    assert!(differs.contains(&change), "{differs}");
}

#[test]
fn a_pull_survives_a_kill() {
    let registry = FakeRegistry::new(Door::Open);
    let (layers, image) = image(1);
    registry.image("team/dls", "1", &image);
    let blobs: Vec<String> =
        layers.iter().map(|layer| format!("team/dls/blobs/{}", digest(layer))).collect();
    registry.lie(&blobs[1], Lie::Slow(Duration::from_millis(100)));
    let sandbox = laptop(&registry);
    let mut child = sandbox.bundler(&["lock"]).stderr(Stdio::null()).spawn().unwrap();
    let has = |sha256: &str| sandbox.cached(&sha256["sha256:".len()..]).is_file();
    let partial = sandbox.path("home/.cache/vgpu-offline/partial");
    let is_half_way = || {
        let files = fs::read_dir(&partial).into_iter().flatten().flatten();
        files.filter_map(|file| file.metadata().ok()).any(|meta| meta.len() > 200_000)
    };
    let begun = Instant::now();
    while !(has(&digest(&layers[0])) && is_half_way()) {
        assert!(begun.elapsed() < Duration::from_secs(30), "nothing comes");
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    registry.lie(&blobs[1], Lie::None);
    sandbox.ok(&["lock"]);
    // The cached layer was not downloaded again, and the other download resumed.
    assert_eq!(registry.times(&blobs[0]), 1);
    let asked = registry.asked().into_iter().filter(|asked| asked.path.ends_with(&blobs[1]));
    let from: Vec<Option<u64>> = asked.map(|asked| asked.from).collect();
    assert!(matches!(from[..], [None, Some(from)] if from > 200_000), "{from:?}");
    sandbox.ok(&["build", "--offline"]);
}

#[test]
fn a_login_of_podman_serves_and_shows_nowhere() {
    let registry = FakeRegistry::new(Door::TokenFor("user:hunter2"));
    let (_, image) = image(1);
    registry.image("team/dls", "1", &image);
    let sandbox = laptop(&registry);
    let error = sandbox.fails(1, &["lock"]);
    assert!(error.contains(&format!("run `podman login {}`", registry.host())), "{error}");
    let pair = Base64::encode_string(b"user:hunter2");
    let login = format!("{{\"auths\":{{\"{}\":{{\"auth\":\"{pair}\"}}}}}}", registry.host());
    sandbox.write("auth.json", &login);
    let lock = |auth: &str| {
        let mut lock = sandbox.bundler(&["lock"]);
        Ran::from(lock.env("REGISTRY_AUTH_FILE", sandbox.work(auth)).output().unwrap())
    };
    sandbox.write("wrong.json", &login.replace("{\"auth\"", "\"auth\""));
    let error = lock("wrong.json").expect(1, &["lock"]).err;
    assert!(error.contains("wrong.json`: line 1 is not in the format of podman"), "{error}");
    let said = lock("auth.json").expect(0, &["lock"]).err;
    sandbox.ok(&["build", "--offline"]);
    let secrets = ["hunter2", pair.trim_end_matches('=')];
    let bundle = bytes(sandbox.work("net-1.vgpu.tar"));
    for secret in secrets {
        assert!(![&said, &error, &sandbox.read("bundle.lock")].iter().any(|t| t.contains(secret)));
        assert!(!bundle.windows(secret.len()).any(|window| window == secret.as_bytes()));
    }
}

#[test]
fn what_cannot_be_used_is_said_with_what_and_why() {
    let registry = FakeRegistry::new(Door::Open);
    let arm = Image::oci(&[b"layer"]).on("linux", "arm64");
    registry.image("team/dls", "1", &arm);
    let sandbox = laptop(&registry);
    let error = sandbox.fails(1, &["lock"]);
    let name = format!("{}/team/dls:1", registry.host());
    assert!(
        error.contains(&format!(
            "cannot get the image `{name}` for item `licensing/dls.tar`: cannot use `{name}`: the \
             image is for linux/arm64, not for linux/amd64"
        )),
        "{error}"
    );
    assert!(!sandbox.work("bundle.lock").exists());
    // Plain HTTP is refused unless the recipe allows it.
    let recipe = sandbox.read("bundle.toml").replace("transport = 'plain-http'\n", "");
    sandbox.write("bundle.toml", &recipe);
    let asked = registry.asked().len();
    sandbox.fails(1, &["lock", "--attempts", "1"]);
    assert_eq!(registry.asked().len(), asked);
}
