//! An image pulled from a registry equals the pushed one, in every form.

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use vgpu_manifest::Digest;
use vgpu_tests::memory::peak_of;
use vgpu_tests::oci::{
    Accepted, Compression, Format, ImageSpec, Layout, Registry, accepted_by_pve,
};
use vgpu_tests::scratch::{Scratch, expect};

use crate::image::tools;

/// A laptop, a registry, and a recipe with one image.
pub(crate) struct Scene {
    pub(crate) scratch: Scratch,
    pub(crate) registry: Registry,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let scratch = Scratch::new(env!("CARGO_BIN_EXE_demo"));
        let registry = Registry::start(&scratch.path("registry")).unwrap();
        Self { scratch, registry }
    }

    pub(crate) fn push(&self, layout: &Layout, tag: &str, format: Format) {
        self.registry.push(layout, tag, "team/dls", format).unwrap();
    }

    /// Returns the image reference for the engine.
    pub(crate) fn name(&self, tag: &str) -> String {
        format!("{}/team/dls:{tag}", self.registry.host())
    }

    /// Builds a bundle with the image and extracts it.
    pub(crate) fn through(&self, image: &str) -> Utf8PathBuf {
        through(&self.scratch, image)
    }
}

/// Builds a bundle with the image on this laptop and extracts it.
fn through(laptop: &Scratch, image: &str) -> Utf8PathBuf {
    laptop.write("bundle.toml", recipe(image));
    let key = laptop.path("config/vgpu-offline/key");
    if !key.exists() {
        expect(laptop.bundler(&["key", "generate", "--principal", "alice", "--no-passphrase"]), 0);
    }
    let out = laptop.path("out");
    for old in [&out, &laptop.path("bundles"), &laptop.path("laptop/bundle.lock")] {
        let _ = fs::remove_dir_all(old);
        let _ = fs::remove_file(old);
    }
    let bundles = laptop.path("bundles");
    fs::create_dir(&bundles).unwrap();
    expect(laptop.bundler(&["build", "--output", bundles.as_str()]), 0);
    let bundle = bundles.join("dls-1.vgpu.tar");
    expect(laptop.bundler(&["extract", bundle.as_str(), "-o", out.as_str()]), 0);
    out.join("licensing/dls.tar")
}

fn recipe(image: &str) -> String {
    format!(
        "[bundle]\nname = \"dls\"\nchannel = \"stable\"\n[[image]]\nname = \"licensing/dls.tar\"\n\
         image = \"{image}\"\ntransport = \"plain-http\"\n"
    )
}

/// Returns the blobs of a layout, by digest.
fn blobs(layout: &Layout) -> BTreeSet<Digest> {
    let files = layout.folder().join("blobs/sha256").read_dir_utf8().unwrap();
    files.map(|file| file.unwrap().file_name().parse().unwrap()).collect()
}

/// Checks that every layer is a file of the layout, byte for byte.
fn same_layers(accepted: &Accepted, layout: &Layout, count: usize) {
    let there = blobs(layout);
    assert_eq!(accepted.layers.len(), count);
    for layer in &accepted.layers {
        assert!(there.contains(&Digest::of(layer)));
    }
}

#[test]
fn one_to_forty_layers_in_both_forms_come_as_they_are() {
    if !tools() {
        return;
    }
    let scene = Scene::new();
    let all = [Compression::Gzip, Compression::None, Compression::Zstd];
    for count in [1, 2, 7, 40] {
        let image = ImageSpec::numbered(count);
        let folder = |what: &str| scene.scratch.path(&format!("{what}{count}"));
        let mixed = Layout::of_image(&folder("mixed"), "oci", &image.packed(&all)).unwrap();
        scene.push(&mixed, "oci", Format::Oci);
        let accepted = accepted_by_pve(&scene.through(&scene.name("oci"))).unwrap();
        same_layers(&accepted, &mixed, count);
        // The manifest was not rewritten.
        assert!(blobs(&mixed).contains(&accepted.manifest));

        // skopeo's conversion for Docker has the same layers with other media types.
        let image = image.marked("docker");
        let gzip = Layout::of_image(&folder("gzip"), "docker", &image).unwrap();
        scene.push(&gzip, "docker", Format::Docker);
        let archive = scene.through(&scene.name("docker"));
        let accepted = accepted_by_pve(&archive).unwrap();
        same_layers(&accepted, &gzip, count);
        assert_eq!(accepted.config["config"]["Entrypoint"][0], "/bin/true");
    }
}

#[test]
fn layers_that_old_engines_do_not_load_are_told() {
    if !tools() {
        return;
    }
    let scene = Scene::new();
    let told = |compression: &[Compression], tag: &str| {
        let image = ImageSpec::numbered(2).marked(tag).packed(compression);
        let layout = Layout::of_image(&scene.scratch.path(tag), tag, &image).unwrap();
        scene.push(&layout, tag, Format::Oci);
        scene.scratch.write("bundle.toml", recipe(&scene.name(tag)));
        let said = expect(scene.scratch.bundler(&["lock"]), 0).err;
        said.contains("layers packed with zstd, which Docker 20.10 does not load")
    };
    assert!(told(&[Compression::Gzip, Compression::Zstd], "zstd"));
    assert!(!told(&[Compression::Gzip, Compression::None], "gzip"));
}

#[test]
fn a_list_by_tag_and_an_image_by_digest_are_the_same_on_every_machine() {
    if !tools() {
        return;
    }
    let scene = Scene::new();
    let image = ImageSpec::numbered(3);
    let images = [image.on("arm64"), image.on("riscv64"), image.clone(), image.on("s390x")];
    let layout = Layout::of_index(&scene.scratch.path("all"), "1", &images).unwrap();
    scene.push(&layout, "1", Format::Oci);
    let archive = scene.through(&scene.name("1"));
    let accepted = accepted_by_pve(&archive).unwrap();
    assert_eq!(accepted.config["architecture"], "amd64");
    let lock = fs::read_to_string(scene.scratch.path("laptop/bundle.lock")).unwrap();
    assert!(lock.contains(&accepted.manifest.to_string()), "{lock}");

    // Another laptop, by tag; a third one, by the lock alone, after the tag has moved.
    let bytes = fs::read(&archive).unwrap();
    let other = Scratch::new(env!("CARGO_BIN_EXE_demo"));
    assert!(fs::read(through(&other, &scene.name("1"))).unwrap() == bytes);
    let moved = Layout::of_image(&scene.scratch.path("moved"), "1", &ImageSpec::numbered(1));
    scene.push(&moved.unwrap(), "1", Format::Oci);
    let third = Scratch::new(env!("CARGO_BIN_EXE_demo"));
    third.write("bundle.toml", recipe(&scene.name("1")));
    third.write("bundle.lock", &lock);
    expect(third.bundler(&["fetch"]), 0);
    let sha256 = Digest::of(&bytes).to_string();
    let cached = third.path("cache/vgpu-offline/sha256").join(&sha256[..2]).join(&sha256);
    assert!(fs::read(cached).unwrap() == bytes);
    // By digest in the recipe, which changes only names.
    let pinned = format!("{}@sha256:{}", scene.name("1"), accepted.manifest);
    assert!(fs::read(through(&third, &pinned)).unwrap() == bytes);
}

/// Returns a layout with one incompressible layer of `size` bytes.
fn large(folder: &Utf8Path, size: usize) -> Layout {
    let mut state = 1_u64;
    let noise = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    let noise: Vec<u8> = noise.take(size / 8).flatten().collect();
    let image =
        ImageSpec { layers: vec![vec![("noise".to_owned(), noise)]], ..ImageSpec::numbered(1) };
    Layout::of_image(folder, "large", &image.packed(&[Compression::None])).unwrap()
}

#[test]
fn a_large_layer_takes_little_memory_and_goes_on_after_a_kill() {
    if !tools() {
        return;
    }
    let scene = Scene::new();
    let size = 96 << 20;
    let layout = large(&scene.scratch.path("large"), size);
    scene.push(&layout, "large", Format::Oci);
    let laptop = &scene.scratch;
    laptop.write("bundle.toml", recipe(&scene.name("large")));
    let mut child = laptop.bundler(&["--quiet", "lock"]).spawn().unwrap();
    let partial = laptop.path("cache/vgpu-offline/partial");
    let here = || {
        let files = fs::read_dir(&partial).into_iter().flatten().flatten();
        files.filter_map(|file| file.metadata().ok()).map(|meta| meta.len()).max().unwrap_or(0)
    };
    let begun = Instant::now();
    while here() < 8 << 20 {
        assert!(begun.elapsed() < Duration::from_mins(1), "nothing comes");
        assert!(child.try_wait().unwrap().is_none(), "it was too fast");
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let kept = here();
    assert!(kept >= 8 << 20, "{kept}");

    let mut child = laptop.bundler(&["--quiet", "lock"]).spawn().unwrap();
    let peak = peak_of(&mut child).unwrap();
    eprintln!("{size} bytes, cut off after {kept}: {peak} KiB at its peak");
    assert!(peak <= 64 << 10, "{peak} KiB at its peak");
    // The registry sent only the missing part.
    let log = scene.registry.log().unwrap();
    let rest = log.lines().filter(|line| line.contains("/blobs/") && line.contains("\" 206 "));
    let rest: Vec<&str> = rest.collect();
    assert_eq!(rest.len(), 1, "{log}");
    let sent = rest[0].split("\" 206 ").nth(1).unwrap().split(' ').next().unwrap();
    let whole = fs::metadata(largest(&layout)).unwrap().len();
    assert_eq!(sent.parse::<u64>().unwrap() + kept, whole, "{}", rest[0]);
}

fn largest(layout: &Layout) -> Utf8PathBuf {
    let files = layout.folder().join("blobs/sha256").read_dir_utf8().unwrap();
    let files = files.map(|file| file.unwrap().into_path());
    files.max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap()
}
