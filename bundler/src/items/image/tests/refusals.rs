use vgpu_manifest::Digest;

use super::*;

#[test]
fn what_is_not_an_image_is_named() {
    let small: &[u8] = b"layer";
    let good = || Image::oci(&[small]);
    let bytes = |text: &str| text.as_bytes().to_vec();
    let with = |change: &dyn Fn(&mut Image)| {
        let mut image = good();
        change(&mut image);
        image.manifest()
    };
    let replaced = |old: &str, new: &str| {
        let text = String::from_utf8(good().manifest()).unwrap();
        assert!(text.contains(old), "{old}");
        text.replacen(old, new, 1).into_bytes()
    };
    let many: Vec<Vec<u8>> = (0..128_u32).map(|i| i.to_le_bytes().to_vec()).collect();
    let many: Vec<&[u8]> = many.iter().map(Vec::as_slice).collect();
    let foreign = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (bytes("<html>please log in</html>"), "the document is not a manifest: expected value"),
        (bytes(""), "the document is not a manifest"),
        (bytes("[]"), "the document is not a manifest"),
        (bytes("{}"), "it names neither layers"),
        (bytes(&"[".repeat(10_000)), "the document is not a manifest"),
        (bytes("{\"schemaVersion\":1,\"fsLayers\":[]}"), "schema 1"),
        (bytes("{\"schemaVersion\":1}"), "schema 1"),
        (with(&|i| i.more = "\"manifests\":[],".to_owned()), "read as a list of images and as an"),
        (with(&|i| i.more = "\"layers\":[],".to_owned()), "duplicate field"),
        (with(&|i| i.manifest_type = OCI_INDEX), "read as a list"),
        (with(&|i| i.manifest_type = "text/\\u001b[2J"), "the type is `text/\\u{1b}[2J`"),
        (
            with(&|i| i.config_type = "application/vnd.oci.empty.v1+json".into()),
            "not a container image",
        ),
        (with(&|i| i.layers[0].0 = foreign.to_owned()), "layer 1 must not be redistributed"),
        (with(&|i| i.layers[0].0 += "+encrypted"), "layer 1 has the type"),
        (with(&|i| i.layers.clear()), "no layers"),
        (Image::oci(&many).manifest(), "128 layers, more than the 127"),
        (replaced("\"layers\":[{", "\"layers\":[{\"size\":1,"), "duplicate field"),
        (replaced("\"size\":5}", "\"size\":-5}"), "the document is not a manifest: invalid value"),
        (replaced("\"size\":5}", "\"size\":5.5}"), "the document is not a manifest: invalid"),
        (replaced("\"size\":5}", "\"size\":18446744073709551615}"), "more than the 1.0 GiB"),
        (replaced("\"size\":5}", "\"size\":9000000000}"), "more than the 1.0 GiB"),
        (
            replaced("\"size\":5}", "\"size\":18446744073709551616}"),
            "the document is not a manifest",
        ),
        (replaced("\"digest\":\"sha256:", "\"digest\":\"sha512:"), "is not a digest that can"),
        (replaced("\"digest\":\"sha256:", "\"digest\":\"../../"), "is not a digest that can"),
    ];
    for (manifest, word) in cases {
        let registry = FakeRegistry::new(Door::Open);
        registry.image("dls", "good", &good());
        registry.serve("dls/manifests/1", OCI_MANIFEST, &manifest, Lie::None);
        let error = message(&Machine::new().pull(&source(&registry, "dls:1")).unwrap_err());
        assert!(error.contains(word), "{word}: {error}");
        assert!(error.starts_with("cannot get the image `127.0.0.1:"), "{error}");
        assert_eq!(registry.asked().len(), 1, "nothing more was asked for: {error}");
    }
}

#[test]
fn an_image_that_contradicts_itself_is_refused_before_its_layers_come() {
    let good = Image::oci(&[b"layer"]);
    let large = vec![b' '; (4 << 20) + 1];
    let config = |change: &dyn Fn(String) -> String| {
        let text = String::from_utf8(good.config.clone()).unwrap();
        Image { config: change(text).into_bytes(), ..good.clone() }
    };
    let cases = [
        (good.clone().on("linux", "arm64"), "the image is for linux/arm64, not for linux/amd64"),
        (config(&|text| text.replace(":[\"sha256", ":[\"x\",\"sha256")), "the configuration has 2"),
        (config(&|text| text.replace("rootfs", "roots")), "the configuration cannot be read"),
        (config(&|_| "<html>".to_owned()), "the configuration cannot be read"),
        (Image { config: large, ..good.clone() }, "too much for one"),
    ];
    for (image, word) in cases {
        let registry = FakeRegistry::new(Door::Open);
        registry.image("dls", "1", &image);
        let error = message(&Machine::new().pull(&source(&registry, "dls:1")).unwrap_err());
        assert!(error.contains(word), "{word}: {error}");
        assert_eq!(registry.times(&digest(b"layer")), 0);
    }
    // The same bytes cannot have two lengths.
    let registry = FakeRegistry::new(Door::Open);
    let twice = Image::oci(&[b"layer", b"layer"]);
    let text = String::from_utf8(twice.manifest()).unwrap();
    let at = text.rfind("\"size\":5").unwrap();
    let text = format!("{}\"size\":6{}", &text[..at], &text[at + 8..]);
    registry.serve("dls/manifests/1", OCI_MANIFEST, text.as_bytes(), Lie::None);
    let error = message(&Machine::new().pull(&source(&registry, "dls:1")).unwrap_err());
    assert!(error.contains("two sizes"), "{error}");
}

#[test]
fn a_list_leads_to_one_image_and_no_further() {
    let registry = FakeRegistry::new(Door::Open);
    let image = Image::oci(&[b"layer"]);
    registry.image("dls", "good", &image);
    let inner = index(&[("linux/amd64", OCI_MANIFEST, &image.manifest())]);
    let by_digest = |bytes: &[u8]| format!("dls/manifests/{}", digest(bytes));
    registry.serve(&by_digest(&inner), OCI_INDEX, &inner, Lie::None);
    let pull = |list: &[u8]| {
        registry.serve("dls/manifests/1", OCI_INDEX, list, Lie::None);
        message(&Machine::new().pull(&source(&registry, "dls:1")).unwrap_err())
    };
    // Told, and untold.
    let error = pull(&index(&[("linux/amd64", OCI_INDEX, &inner)]));
    assert!(error.contains("another list"), "{error}");
    let error = pull(&index(&[("linux/amd64", OCI_MANIFEST, &inner)]));
    assert!(error.contains("another list"), "{error}");
    let error = pull(&index(&[]));
    assert!(error.contains("the list of images is empty"), "{error}");
    let bare = index(&[("linux/amd64", OCI_MANIFEST, &image.manifest())]);
    let bare = String::from_utf8(bare).unwrap();
    let (head, tail) = bare.split_once(",\"platform\":{").unwrap();
    let (_, tail) = tail.split_once('}').unwrap();
    let error = pull(format!("{head}{tail}").as_bytes());
    assert!(error.contains("names no platform") && error.contains("@sha256:"), "{error}");
    let error = pull(&index(&[("linux/amd64", "text/plain", &inner)]));
    assert!(error.contains("the type is `text/plain`"), "{error}");
    let list = index(&[("linux/amd64", OCI_MANIFEST, &image.manifest())]);
    registry.lie(&by_digest(&image.manifest()), Lie::Other(b"other".to_vec()));
    let error = pull(&list);
    assert!(error.contains("has a content of 5 bytes instead of"), "{error}");
    // A registry that calls everything by one digest has no way to slip in another image.
    let other = Image::oci(&[b"lazer"]);
    registry.lie(&by_digest(&image.manifest()), Lie::Other(other.manifest()));
    let error = pull(&list);
    assert!(error.contains("has another content"), "{error}");
}

#[test]
fn what_the_registry_does_not_give_has_a_cause_and_a_next_step() {
    let registry = FakeRegistry::new(Door::Open);
    registry.image("dls", "1", &Image::oci(&[b"layer"]));
    let error = message(&Machine::new().pull(&source(&registry, "dls:2")).unwrap_err());
    let host = registry.host();
    assert!(error.contains(&format!("`{host}` has no tag `2` of `dls`; list the tags")), "{error}");
    let pinned = format!("dls:1@{}", digest(b"gone"));
    let error = message(&Machine::new().pull(&source(&registry, &pinned)).unwrap_err());
    assert!(error.contains("no image with the digest") && error.contains("update"), "{error}");

    let shut = FakeRegistry::new(Door::Shut);
    let error = message(&Machine::new().pull(&source(&shut, "dls:1")).unwrap_err());
    assert!(error.contains("podman login") && error.contains("answers 401"), "{error}");
    assert!(!error.contains(".netrc"), "{error}");
}

#[test]
fn a_registry_without_tls_is_named() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let _ = std::io::Read::read(&mut &stream, &mut [0; 1024]);
            let _ = std::io::Write::write_all(&mut &stream, b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    let source = ImageSource {
        image: format!("{host}/dls:1").parse().unwrap(),
        platform: Platform::host(),
        mirror: Vec::new(),
        transport: Transport::Https,
    };
    let error = message(&Machine::new().pull(&source).unwrap_err());
    assert!(error.contains("answers without TLS") && error.contains("\"plain-http\""), "{error}");
}

#[test]
fn every_part_is_what_its_digest_says_or_nothing_comes_of_it() {
    let layers = [layer(1), layer(2)];
    let image = Image::oci(&layers.each_ref().map(Vec::as_slice));
    let blob = format!("dls/blobs/{}", digest(&layers[1]));
    let config = format!("dls/blobs/{}", digest(&image.config));
    let mut flipped = layers[1].clone();
    flipped[200_000] ^= 1;
    let mut longer = layers[1].clone();
    longer.push(0);
    let cases = [
        (&blob, Lie::Other(flipped), "has another content"),
        (&blob, Lie::Other(longer), "bytes instead of"),
        (&blob, Lie::Other(Vec::new()), "bytes instead of"),
        (&blob, Lie::Truncate(100), "broke"),
        (&blob, Lie::Redirect(format!("/v2/{blob}")), "redirects more than"),
        (&blob, Lie::Status(404), "answers 404"),
        (&blob, Lie::Status(503), "answers 503"),
        (&config, Lie::Other(b"{}".to_vec()), "bytes instead of"),
    ];
    for (path, lie, word) in cases {
        let registry = FakeRegistry::new(Door::Open);
        registry.image("dls", "1", &image);
        registry.lie(path, lie);
        let machine = Machine::new();
        let error = message(&machine.pull(&source(&registry, "dls:1")).unwrap_err());
        assert!(error.contains(word), "{word}: {error}");
        let kept = machine.cache.entries().unwrap();
        assert!(!kept.iter().any(|entry| entry.sha256 == Digest::of(&layers[1])), "{word}");
    }
}
