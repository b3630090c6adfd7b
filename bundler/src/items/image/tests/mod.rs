//! Images from a registry that lies.

mod auth;
mod refusals;
mod saved;

use std::io::Read as _;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use camino::Utf8Path;
use vgpu_manifest::Digest;
use vgpu_manifest::ui::ByteSize;

use super::*;
use crate::cache::Cache;
use crate::cache::tests::scratch;
use crate::fetch::{Fetcher, Patience};
use crate::items::source::Sources;
use crate::net::registry::*;
use crate::net::{Client, Proxy, Timeouts};
use crate::types::Expected;
use crate::types::image::{Platform, Transport};
use crate::ui::Ui;

/// A machine that pulls.
struct Machine {
    dir: tempfile::TempDir,
    cache: Cache,
    ui: Ui,
    client: Option<Client>,
    cap: ByteSize,
}

impl Machine {
    fn new() -> Self {
        let (dir, cache) = scratch();
        let timeouts =
            Timeouts { connect: Duration::from_secs(5), stall: Duration::from_millis(500) };
        let client = Some(Client::new(timeouts, Proxy::None));
        Self { dir, cache, ui: Ui::remembering(), client, cap: ByteSize::new(1 << 30) }
    }

    fn with<T>(&self, act: impl FnOnce(&Sources<'_>, Expected<'_>) -> T) -> T {
        let lock = self.cache.lock(|_| {}).unwrap();
        let patience = Patience { attempts: 3, first_wait: Duration::from_millis(1) };
        let fetcher =
            Fetcher { client: self.client.as_ref(), cache: &lock, patience, ui: &self.ui };
        let width = NonZeroUsize::new(4).unwrap();
        let base = Utf8Path::new("/");
        let catalog = &crate::catalog::Extended::load(base).unwrap();
        let sources = Sources { fetcher, base, catalog, width };
        let name = "dls.tar".parse().unwrap();
        act(&sources, Expected { name: &name, sha256: None, size: None, cap: self.cap })
    }

    fn pull(&self, source: &ImageSource) -> anyhow::Result<Digest> {
        let begun = Instant::now();
        let pulled = self.with(|sources, want| pull(sources, source, want));
        assert!(begun.elapsed() < Duration::from_secs(20), "{pulled:?}");
        pulled.map(|obtained| obtained.sha256)
    }

    /// The members of an archive.
    fn members(&self, archive: Digest) -> Vec<(String, Vec<u8>)> {
        let mut tar = tar::Archive::new(self.cache.open_content(archive).unwrap());
        let entries = tar.entries().unwrap().map(|entry| {
            let mut entry = entry.unwrap();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            (entry.path().unwrap().to_str().unwrap().to_owned(), bytes)
        });
        entries.collect()
    }
}

fn source(registry: &FakeRegistry, rest: &str) -> ImageSource {
    ImageSource {
        image: format!("{}/{rest}", registry.host()).parse().unwrap(),
        platform: Platform::host(),
        mirror: Vec::new(),
        transport: Transport::PlainHttp,
    }
}

/// Everything that an error says.
fn message(error: &anyhow::Error) -> String {
    let text = format!("{error:#}");
    assert!(!text.chars().any(char::is_control), "{text:?}");
    text
}

/// A layer that no other has.
fn layer(seed: u8) -> Vec<u8> {
    (0..300_000_u32).map(|i| (i >> 8).to_le_bytes()[0] ^ seed).collect()
}

#[test]
fn an_image_becomes_an_archive_of_its_parts_as_they_are() {
    let registry = FakeRegistry::new(Door::Open);
    let layers = [layer(1), layer(2), layer(1)];
    let image = Image::oci(&layers.each_ref().map(Vec::as_slice));
    registry.image("team/dls", "1", &image);
    let machine = Machine::new();
    let archive = machine.pull(&source(&registry, "team/dls:1")).unwrap();
    let members = machine.members(archive);
    let names: Vec<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
    assert!(names.is_sorted(), "{names:?}");
    // A layer that comes twice is there once.
    assert_eq!(names.len(), 4 + 3);
    assert_eq!(names[4..], ["index.json", "manifest.json", "oci-layout"]);
    for (name, bytes) in &members[..4] {
        assert_eq!(*name, format!("blobs/sha256/{}", Digest::of(bytes)));
    }
    let has = |wanted: &[u8]| members.iter().any(|(_, bytes)| bytes == wanted);
    assert!(has(&image.manifest()) && has(&image.config) && has(&layers[0]) && has(&layers[1]));
    let index: serde_json::Value = serde_json::from_slice(&members[4].1).unwrap();
    let entry = &index["manifests"][0];
    assert_eq!(entry["digest"], digest(&image.manifest()));
    let name = format!("{}/team/dls:1", registry.host());
    assert_eq!(entry["annotations"]["org.opencontainers.image.ref.name"], name);
    assert_eq!(entry["annotations"]["io.containerd.image.name"], name);
    assert_eq!(entry["annotations"].as_object().unwrap().len(), 2);
    let docker: serde_json::Value = serde_json::from_slice(&members[5].1).unwrap();
    assert_eq!(docker[0]["RepoTags"][0], name);
    assert_eq!(docker[0]["Layers"].as_array().unwrap().len(), 3);

    // Another machine makes the same of it, also by digest.
    assert_eq!(Machine::new().pull(&source(&registry, "team/dls:1")).unwrap(), archive);
    let pinned = format!("team/dls:1@{}", digest(&image.manifest()));
    assert_eq!(Machine::new().pull(&source(&registry, &pinned)).unwrap(), archive);
    let accept = registry.asked()[0].accept.clone().unwrap();
    assert!(accept.contains(OCI_MANIFEST) && accept.contains(DOCKER_MANIFEST), "{accept}");
}

#[test]
fn dockers_form_becomes_ocis_with_the_same_parts() {
    let registry = FakeRegistry::new(Door::Open);
    let layers = [layer(1), layer(2)];
    let image = Image::docker(&layers.each_ref().map(Vec::as_slice));
    registry.image("dls", "1", &image);
    let machine = Machine::new();
    let archive = machine.pull(&source(&registry, "dls:1")).unwrap();
    let members = machine.members(archive);
    let index: serde_json::Value = serde_json::from_slice(&members[4].1).unwrap();
    let entry = &index["manifests"][0];
    let original = &entry["annotations"]["vgpu-offline.image.original-digest"];
    assert_eq!(*original, digest(&image.manifest()));
    let find = |digest: &str| {
        let name = digest.replace("sha256:", "blobs/sha256/");
        &members.iter().find(|(member, _)| *member == name).unwrap().1
    };
    let manifest = find(entry["digest"].as_str().unwrap());
    assert_ne!(*manifest, image.manifest());
    let manifest: serde_json::Value = serde_json::from_slice(manifest).unwrap();
    assert_eq!(manifest["mediaType"], OCI_MANIFEST);
    assert_eq!(manifest["config"]["mediaType"], OCI_CONFIG);
    assert_eq!(*find(manifest["config"]["digest"].as_str().unwrap()), image.config);
    for (at, layer) in layers.iter().enumerate() {
        assert_eq!(manifest["layers"][at]["mediaType"], OCI_LAYER);
        assert_eq!(find(manifest["layers"][at]["digest"].as_str().unwrap()), layer);
    }
    let digests = archive::read_record(machine.cache.open_content(archive).unwrap()).unwrap();
    assert_eq!(digests.original, Some(Digest::of(&image.manifest())));
    assert_eq!(entry["digest"], format!("sha256:{}", digests.digest));
    assert_eq!(digests.id, Digest::of(&image.config));
}

#[test]
fn of_a_list_the_image_for_the_platform_is_taken() {
    let registry = FakeRegistry::new(Door::Open);
    let amd64 = Image::oci(&[&layer(1)]);
    let arm64 = Image::oci(&[&layer(2)]).on("linux", "arm64");
    registry.image("dls", "amd64", &amd64);
    registry.image("dls", "arm64", &arm64);
    let list = index(&[
        ("linux/arm64", OCI_MANIFEST, &arm64.manifest()),
        ("unknown/unknown", OCI_MANIFEST, b"an attestation"),
        ("linux/amd64", OCI_MANIFEST, &amd64.manifest()),
    ]);
    registry.serve("dls/manifests/1", OCI_INDEX, &list, Lie::None);
    registry.serve(&format!("dls/manifests/{}", digest(&list)), OCI_INDEX, &list, Lie::None);
    let digest_of = |source: &ImageSource| {
        let machine = Machine::new();
        let archive = machine.pull(source).unwrap();
        archive::read_record(machine.cache.open_content(archive).unwrap()).unwrap().digest
    };
    let tag = source(&registry, "dls:1");
    assert_eq!(digest_of(&tag), Digest::of(&amd64.manifest()));
    let pinned = source(&registry, &format!("dls@{}", digest(&list)));
    assert_eq!(digest_of(&pinned), Digest::of(&amd64.manifest()));
    let other = ImageSource { platform: "linux/arm64".parse().unwrap(), ..tag.clone() };
    assert_eq!(digest_of(&other), Digest::of(&arm64.manifest()));
    let none = ImageSource { platform: "linux/s390x".parse().unwrap(), ..tag };
    let error = message(&Machine::new().pull(&none).unwrap_err());
    assert!(error.contains("no image for linux/s390x, but for linux/arm64, unknown"), "{error}");
}

#[test]
fn what_is_here_already_does_not_come_again() {
    let layers = [layer(1), layer(2)];
    let image = Image::oci(&layers.each_ref().map(Vec::as_slice));
    let registry = FakeRegistry::new(Door::Open);
    registry.image("dls", "1", &image);
    let blobs = layers.each_ref().map(|layer| format!("dls/blobs/{}", digest(layer)));
    registry.lie(&blobs[0], Lie::TruncateOnce(270_000));
    registry.lie(&blobs[1], Lie::Status(503));
    let machine = Machine::new();
    let source = source(&registry, "dls:1");
    machine.pull(&source).unwrap_err();
    // The first one was cut off and went on where it was.
    let first = registry.asked().into_iter().filter(|asked| asked.path.ends_with(&blobs[0]));
    let from: Vec<Option<u64>> = first.map(|asked| asked.from).collect();
    assert_eq!(from, [None, Some(270_000)]);
    registry.lie(&blobs[1], Lie::None);
    let archive = machine.pull(&source).unwrap();
    assert_eq!(registry.times(&blobs[0]), 2);

    // By its digest the manifest is known, so all of it is here.
    let record = vgpu_manifest::image::ImageRecord {
        reference: source.image.reference().clone(),
        digest: Digest::of(&image.manifest()),
        id: Digest::of(&image.config),
        original: None,
    };
    let asked = registry.asked().len();
    let again = |sources: &Sources<'_>, want: Expected<'_>| {
        let want = Expected { sha256: Some(archive), ..want };
        pull_again(sources, &source, want, &record).unwrap().sha256
    };
    assert_eq!(machine.with(again), archive);
    assert_eq!(registry.asked().len(), asked);
    let offline = Machine { client: None, ..Machine::new() };
    let error = message(&offline.pull(&source).unwrap_err());
    assert!(error.contains("`--offline` forbids"), "{error}");
}

#[test]
fn a_part_that_has_rotted_in_the_cache_is_noticed() {
    let registry = FakeRegistry::new(Door::Open);
    let image = Image::oci(&[&layer(1)]);
    registry.image("dls", "1", &image);
    let machine = Machine::new();
    machine.pull(&source(&registry, "dls:1")).unwrap();
    let hex = Digest::of(&layer(1)).to_string();
    let dir = Utf8Path::from_path(machine.dir.path()).unwrap();
    let path = dir.join("sha256").join(&hex[..2]).join(&hex);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[1000] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let error = message(&machine.pull(&source(&registry, "dls:1")).unwrap_err());
    assert!(error.contains("is damaged"), "{error}");
}

#[test]
fn a_wrong_size_is_refused_also_for_a_part_in_the_cache() {
    let registry = FakeRegistry::new(Door::Open);
    let image = Image::oci(&[&layer(1), b"small"]);
    registry.image("dls", "1", &image);
    let machine = Machine::new();
    machine.pull(&source(&registry, "dls:1")).unwrap();
    let before = machine.cache.entries().unwrap().len();
    let manifest = String::from_utf8(image.manifest()).unwrap();
    let config = image.config.len();
    for (part, size) in [("layer 1 of 2", 300_000), ("layer 2 of 2", 5), ("configuration", config)]
    {
        for wrong in [size - 1, size + 1, size + 512] {
            let stated = format!("\"size\":{size}");
            assert!(manifest.contains(&stated), "{manifest}");
            let lie = manifest.replacen(&stated, &format!("\"size\":{wrong}"), 1);
            registry.serve("dls/manifests/2", OCI_MANIFEST, lie.as_bytes(), Lie::None);
            let error = message(&machine.pull(&source(&registry, "dls:2")).unwrap_err());
            let told = format!(
                "({part})` is stated to have {wrong} bytes, but the content with its digest has {size}"
            );
            assert!(error.contains(&told), "{error}");
        }
    }
    let manifests = 3 * 3;
    assert_eq!(machine.cache.entries().unwrap().len(), before + manifests, "an archive was made");
}

#[test]
fn a_mirror_helps_when_the_registry_fails() {
    let image = Image::oci(&[&layer(1)]);
    let [registry, mirror] = [(); 2].map(|()| FakeRegistry::new(Door::Token(100)));
    registry.image("dls", "1", &image);
    mirror.image("dls", "1", &image);
    registry.lie(&format!("dls/blobs/{}", digest(&layer(1))), Lie::Truncate(1000));
    let source = source(&registry, "dls:1");
    let mirrored = ImageSource { mirror: vec![mirror.host().parse().unwrap()], ..source.clone() };
    let archive = Machine::new().pull(&mirrored).unwrap();
    registry.lie(&format!("dls/blobs/{}", digest(&layer(1))), Lie::None);
    assert_eq!(Machine::new().pull(&source).unwrap(), archive);
    // Neither has heard what the other gave out; both call theirs the first token.
    assert_eq!((registry.tokens(), mirror.tokens()), (2, 1));
}
