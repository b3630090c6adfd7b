//! Images on disk: equal to pulled ones, and malformed ones.

use std::io::Write as _;

use camino::Utf8PathBuf;
use vgpu_manifest::image::ImageRecord;

use super::*;
use crate::types::SavedImage;

/// The members of an archive.
type Files = Vec<(String, Vec<u8>)>;

const LAYOUT: &str = "{\"imageLayoutVersion\":\"1.0.0\"}";
const NAME: &str = "registry.example/team/dls:1";

fn file(name: &str, bytes: impl AsRef<[u8]>) -> (String, Vec<u8>) {
    (name.to_owned(), bytes.as_ref().to_vec())
}

fn blob(bytes: &[u8]) -> (String, Vec<u8>) {
    (digest(bytes).replace("sha256:", "blobs/sha256/"), bytes.to_vec())
}

/// Returns an entry of a layout's index.
fn entry(media_type: &str, document: &[u8], name: &str) -> String {
    let plain = descriptor(media_type, document);
    let plain = plain.strip_suffix('}').unwrap();
    format!("{plain},\"annotations\":{{\"org.opencontainers.image.ref.name\":\"{name}\"}}}}")
}

fn blobs(image: &Registered) -> Files {
    let mut files = vec![blob(&image.manifest()), blob(&image.config)];
    files.extend(image.layers.iter().map(|(_, bytes)| blob(bytes)));
    files.sort();
    files.dedup();
    files
}

/// Returns the files of a layout with these images, each under a name.
fn layout(images: &[(&str, &Registered)]) -> Files {
    let entries: Vec<String> = images
        .iter()
        .map(|(name, image)| entry(image.manifest_type, &image.manifest(), name))
        .collect();
    let index = format!("{{\"schemaVersion\":2,\"manifests\":[{}]}}", entries.join(","));
    let mut files = vec![file("oci-layout", LAYOUT), file("index.json", index)];
    files.extend(images.iter().flat_map(|(_, image)| blobs(image)));
    files.sort();
    files.dedup();
    files
}

/// Returns the files of Docker's archive with these images, each under a name.
fn docker(images: &[(&str, &Registered)]) -> Files {
    let (mut files, mut entries) = (Vec::new(), Vec::new());
    for (name, image) in images {
        let config = format!("{}.json", Digest::of(&image.config));
        files.push(file(&config, &image.config));
        let layers = image.layers.iter().map(|(_, bytes)| format!("{}.tar", Digest::of(bytes)));
        let layers: Vec<String> = layers.collect();
        files.extend(image.layers.iter().zip(&layers).map(|((_, it), name)| file(name, it)));
        entries.push(serde_json::json!({"Config": config, "RepoTags": [name], "Layers": layers}));
    }
    files.push(file("manifest.json", serde_json::Value::from(entries).to_string()));
    files.sort();
    files.dedup();
    files
}

fn header(name: &str, kind: u8, size: u64) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(tar::EntryType::new(kind));
    header.set_size(size);
    header.set_mode(0o444);
    header.set_mtime(1);
    header.set_cksum();
    header
}

/// Appends a member whose header states `size`.
fn append(tar: &mut Vec<u8>, header: &tar::Header, bytes: &[u8]) {
    tar.extend(header.as_bytes());
    tar.extend(bytes);
    tar.resize(tar.len().next_multiple_of(512), 0);
}

fn tar_of(files: &Files) -> Vec<u8> {
    let mut tar = Vec::new();
    for (name, bytes) in files {
        append(&mut tar, &header(name, b'0', bytes.len() as u64), bytes);
    }
    tar.resize(tar.len() + 1024, 0);
    tar
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

impl Machine {
    fn place(&self, name: &str) -> Utf8PathBuf {
        Utf8Path::from_path(self.dir.path()).unwrap().join(name)
    }

    fn saved(&self, source: &SavedImage) -> anyhow::Result<Digest> {
        self.with(|sources, want| read(sources, source, want)).map(|pin| pin.sha256)
    }

    fn archive(&self, bytes: &[u8], image: Option<&str>) -> anyhow::Result<Digest> {
        let path = self.place("saved.tar");
        std::fs::write(&path, bytes).unwrap();
        self.saved(&at(&path, image))
    }

    fn folder(&self, files: &Files, image: Option<&str>) -> anyhow::Result<Digest> {
        let folder = self.place("saved");
        let _ = std::fs::remove_dir_all(&folder);
        for (name, bytes) in files {
            let path = folder.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        self.saved(&at(&folder, image))
    }

    fn record(&self, archive: Digest) -> ImageRecord {
        archive::read_record(self.cache.open_content(archive).unwrap()).unwrap()
    }
}

fn at(path: &Utf8Path, image: Option<&str>) -> SavedImage {
    SavedImage {
        path: path.as_str().parse().unwrap(),
        image: image.map(|image| image.parse().unwrap()),
        platform: Platform::host(),
    }
}

/// The images of the fake registry.
type Registered = crate::net::registry::Image;

#[test]
fn an_image_on_disk_becomes_the_same_item_as_one_of_a_registry() {
    let registry = FakeRegistry::new(Door::Open);
    let layers = [layer(1), layer(2), layer(1)];
    let layers = layers.each_ref().map(Vec::as_slice);
    for image in [Registered::oci(&layers), Registered::docker(&layers)] {
        registry.image("dls", "1", &image);
        let machine = Machine::new();
        let pulled = machine.pull(&source(&registry, "dls:1")).unwrap();
        let name = format!("{}/dls:1", registry.host());
        // podman writes the whole name, skopeo what it is told, which may be nothing.
        let files = layout(&[(&name, &image)]);
        let tar = tar_of(&files);
        assert_eq!(machine.folder(&files, None).unwrap(), pulled);
        assert_eq!(machine.archive(&tar, None).unwrap(), pulled);
        assert_eq!(machine.archive(&gzip(&tar), None).unwrap(), pulled);
        for named in ["1", "", "something else"] {
            let files = layout(&[(named, &image)]);
            assert_eq!(machine.folder(&files, Some(&name)).unwrap(), pulled);
            assert_eq!(machine.archive(&tar_of(&files), Some(&name)).unwrap(), pulled);
        }
        // What was packed can be read again.
        let path = machine.place("own.tar");
        let mut own = machine.cache.open_content(pulled).unwrap();
        std::io::copy(&mut own, &mut std::fs::File::create(&path).unwrap()).unwrap();
        let again = machine.record(machine.saved(&at(&path, None)).unwrap());
        let record = machine.record(pulled);
        assert_eq!((again.digest, again.id), (record.digest, record.id));
    }
}

#[test]
fn dockers_archive_has_one_manifest_from_every_writer() {
    let layers = [layer(1), layer(2), layer(1)];
    let image = Registered::oci(&layers.each_ref().map(Vec::as_slice));
    let machine = Machine::new();
    let files = docker(&[(NAME, &image)]);
    let packed = machine.archive(&tar_of(&files), None).unwrap();
    let record = machine.record(packed);
    assert_eq!(record.reference.as_str(), NAME);
    assert_eq!((record.id, record.original), (Digest::of(&image.config), None));
    let members = machine.members(packed);
    let manifest = &members.iter().find(|(_, it)| Digest::of(it) == record.digest).unwrap().1;
    let manifest: serde_json::Value = serde_json::from_slice(manifest).unwrap();
    assert_eq!(manifest["mediaType"], OCI_MANIFEST);
    assert_eq!(manifest["config"]["mediaType"], OCI_CONFIG);
    for (at, layer) in layers.iter().enumerate() {
        let entry = &manifest["layers"][at];
        assert_eq!(entry["mediaType"], "application/vnd.oci.image.layer.v1.tar");
        assert_eq!(entry["digest"], digest(layer));
        assert!(members.iter().any(|(_, bytes)| bytes == layer), "as it is");
    }
    let pinned = format!("{NAME}@sha256:{}", record.digest);
    assert_eq!(machine.archive(&tar_of(&files), Some(&pinned)).unwrap(), packed);

    // Docker writes other names, folders, links for equal layers, and files of older formats.
    let config = Digest::of(&image.config);
    let list = format!(
        "[{{\"Config\":\"{config}.json\",\"RepoTags\":[\"{NAME}\"],\
         \"Layers\":[\"a/layer.tar\",\"b/layer.tar\",\"c/layer.tar\"],\"Parent\":\"\"}}]"
    );
    let mut tar = Vec::new();
    append(&mut tar, &header("pax_global_header", b'g', 13), b"13 comment=a\n");
    append(&mut tar, &header("a/", b'5', 0), b"");
    let mut link = header("c/layer.tar", b'2', 0);
    link.set_link_name("../a/layer.tar").unwrap();
    link.set_cksum();
    append(&mut tar, &link, b"");
    append(&mut tar, &header("repositories", b'0', 2), b"{}");
    for (name, bytes) in [("b/layer.tar", &layers[1]), ("a/layer.tar", &layers[0])] {
        append(&mut tar, &header("PaxHeaders/a", b'x', 13), b"13 mtime=1.5\n");
        append(&mut tar, &header(name, b'0', bytes.len() as u64), bytes);
    }
    append(&mut tar, &header("./manifest.json", b'0', list.len() as u64), list.as_bytes());
    let json = format!("{config}.json");
    append(&mut tar, &header(&json, b'0', image.config.len() as u64), &image.config);
    tar.resize(tar.len() + 1024, 0);
    assert_eq!(machine.archive(&tar, None).unwrap(), packed);
}

#[test]
fn of_several_images_one_is_named() {
    let [one, two] = [1, 2].map(|seed| Registered::oci(&[&layer(seed)]));
    let other = "registry.example/team/db:1";
    let machine = Machine::new();
    for (form, two_names) in
        [(layout as fn(&[(&str, &Registered)]) -> Files, [NAME, "db:1"]), (docker, [NAME, "db:1"])]
    {
        let both = tar_of(&form(&[(two_names[0], &one), (two_names[1], &two)]));
        let error = message(&machine.archive(&both, None).unwrap_err());
        assert!(error.contains("it has 2 images; set `image` to the name of one: "), "{error}");
        assert!(error.contains(&format!("`{NAME}`")) && error.contains("`db:1`"), "{error}");
        for (name, image) in [(NAME, &one), (other, &two)] {
            let record = machine.record(machine.archive(&both, Some(name)).unwrap());
            assert_eq!((record.reference.as_str(), record.id), (name, Digest::of(&image.config)));
        }
        let error = machine.archive(&both, Some("registry.example/team/dls:2")).unwrap_err();
        assert!(message(&error).contains("not exactly one is `registry.example/team/dls:2`: `"));
        // One image is taken under any name, and has to have one.
        let alone = tar_of(&form(&[("a:1", &two)]));
        let record = machine.record(machine.archive(&alone, Some(NAME)).unwrap());
        assert_eq!((record.reference.as_str(), record.id), (NAME, Digest::of(&two.config)));
        let error = message(&machine.archive(&alone, None).unwrap_err());
        assert!(error.contains("the image is called `a:1`, without a registry; set `image`"));
    }
    // By digest, whatever it is called; and never another one.
    let both = tar_of(&layout(&[("a", &one), ("b", &two)]));
    for image in [&one, &two] {
        let name = format!("{NAME}@{}", digest(&image.manifest()));
        let record = machine.record(machine.archive(&both, Some(&name)).unwrap());
        assert_eq!(record.digest, Digest::of(&image.manifest()));
    }
    let wrong = format!("{NAME}@{}", digest(b"another"));
    for form in [layout, docker] {
        let alone = tar_of(&form(&[(NAME, &one)]));
        let error = message(&machine.archive(&alone, Some(&wrong)).unwrap_err());
        assert!(error.contains("the image has the digest sha256:"), "{error}");
        assert!(error.contains(&format!("not {} as in the recipe", digest(b"another"))), "{error}");
    }
}

#[test]
fn the_platform_is_chosen_as_in_a_registry() {
    let amd64 = Registered::oci(&[&layer(1)]);
    let arm64 = Registered::oci(&[&layer(2)]).on("linux", "arm64");
    let list = index(&[
        ("linux/arm64", OCI_MANIFEST, &arm64.manifest()),
        ("linux/amd64", OCI_MANIFEST, &amd64.manifest()),
    ]);
    let nested =
        format!("{{\"schemaVersion\":2,\"manifests\":[{}]}}", entry(OCI_INDEX, &list, NAME));
    let with = |index: &[u8]| {
        let mut files = vec![file("oci-layout", LAYOUT), file("index.json", index), blob(&list)];
        files.extend(blobs(&amd64));
        files.extend(blobs(&arm64));
        tar_of(&files)
    };
    let machine = Machine::new();
    // One entry that leads to a list, and the list itself.
    for (index, pin) in [(nested.as_bytes(), &list), (&*list, &amd64.manifest())] {
        let tar = with(index);
        for (platform, image) in [("linux/amd64", &amd64), ("linux/arm64", &arm64)] {
            let source = SavedImage {
                platform: platform.parse().unwrap(),
                ..at(&machine.place("saved.tar"), Some(NAME))
            };
            std::fs::write(machine.place("saved.tar"), &tar).unwrap();
            let record = machine.record(machine.saved(&source).unwrap());
            assert_eq!(record.digest, Digest::of(&image.manifest()), "{platform}");
            let none = SavedImage { platform: "linux/s390x".parse().unwrap(), ..source };
            let error = message(&machine.saved(&none).unwrap_err());
            assert!(error.contains("no image for linux/s390x, but for linux/arm64"), "{error}");
        }
        let pinned = format!("{NAME}@{}", digest(pin));
        let record = machine.record(machine.archive(&tar, Some(&pinned)).unwrap());
        assert_eq!(record.digest, Digest::of(&amd64.manifest()));
    }
    let alone = tar_of(&docker(&[(NAME, &arm64)]));
    let error = message(&machine.archive(&alone, None).unwrap_err());
    assert!(error.contains("the image is for linux/arm64, not for linux/amd64"), "{error}");
    let twice = index(&[("linux/amd64", OCI_INDEX, nested.as_bytes())]);
    let mut files = vec![file("oci-layout", LAYOUT), blob(&twice), blob(nested.as_bytes())];
    let top = format!("{{\"manifests\":[{}]}}", entry(OCI_INDEX, &twice, NAME));
    files.push(file("index.json", top));
    let error = message(&machine.archive(&tar_of(&files), None).unwrap_err());
    assert!(error.contains("another list"), "{error}");
}

/// Returns the same files with another content of one, or without it.
fn changed(files: &Files, name: &str, bytes: Option<&[u8]>) -> Vec<u8> {
    let mut files = files.clone();
    let at = files.iter().position(|(it, _)| it == name).unwrap();
    match bytes {
        Some(bytes) => files[at].1 = bytes.to_vec(),
        None => drop(files.remove(at)),
    }
    tar_of(&files)
}

/// Checks that each archive is refused with its word, and that nothing of it is kept.
fn all_refused(cases: Vec<(Vec<u8>, &str)>) {
    let machine = Machine { cap: ByteSize::new(1 << 20), ..Machine::new() };
    for (at, (tar, word)) in cases.into_iter().enumerate() {
        let error = message(&machine.archive(&tar, None).unwrap_err());
        assert!(error.contains(word), "{at}: {word}: {error}");
        assert!(error.starts_with("cannot use the image `"), "{error}");
    }
    assert!(machine.cache.entries().unwrap().is_empty(), "nothing was kept");
}

/// Returns the text of a file.
fn text_of(files: &Files, name: &str) -> String {
    let bytes = &files.iter().find(|(it, _)| it == name).unwrap().1;
    String::from_utf8(bytes.clone()).unwrap()
}

/// Returns the same files with another text in one.
fn replaced(files: &Files, name: &str, old: &str, new: &str) -> Vec<u8> {
    let text = text_of(files, name);
    assert!(text.contains(old), "{old}");
    changed(files, name, Some(text.replacen(old, new, 1).as_bytes()))
}

#[test]
fn a_malformed_archive_is_refused() {
    let oci = layout(&[(NAME, &Registered::oci(&[b"layer"]))]);
    let first = |header: tar::Header, bytes: &[u8]| {
        let mut tar = Vec::new();
        append(&mut tar, &header, bytes);
        tar.extend(tar_of(&oci));
        tar
    };
    let many = (0..20_000).map(|_| header("a/", b'5', 0)).fold(Vec::new(), |mut tar, header| {
        append(&mut tar, &header, b"");
        tar
    });
    let whole = tar_of(&oci);
    all_refused(vec![
        (b"<html>".to_vec(), "it is not a tar archive"),
        (vec![0; 1024], "neither an `index.json` (OCI) nor a `manifest.json` (Docker)"),
        (Vec::new(), "neither an `index.json`"),
        (b"\xfd7zXZ\0rest".to_vec(), "packed with xz; unpack it with `xz -d`"),
        (gzip(&whole)[..200].to_vec(), "it cannot be decompressed"),
        (whole[..whole.len() - 3000].to_vec(), "failed to read entire block"),
        (whole[..whole.len() - 1536].to_vec(), "it is truncated"),
        (whole[..700].to_vec(), "it is truncated"),
        (many, "more than 16384 members"),
        (first(header("L", b'L', 7 << 30), b""), "it is truncated"),
        (first(header("x", b'x', 70_000), &[b'a'; 70_000]), "which is too much for one"),
        (first(header("x", b'x', 10), b"10 size=1\n"), "states the size of a member twice"),
        (first(header("x", b'x', 5), b"abcd\n"), "a field without a value"),
        (first(header("g", b'g', 10), b"10 path=a\n"), "renames all members"),
        (first(header("index.json", b'0', 2), b"{}"), "it has `index.json` twice"),
    ]);
    Machine::new().archive(&whole, None).unwrap();
}

#[test]
fn a_malformed_layout_is_refused() {
    let image = Registered::oci(&[b"layer"]);
    let oci = layout(&[(NAME, &image)]);
    let index_with = |old: &str, new: &str| replaced(&oci, "index.json", old, new);
    let other_bytes = |bytes: &[u8]| changed(&oci, &blob(bytes).0, Some(&vec![b' '; bytes.len()]));
    let (layer, large) = (blob(b"layer").0, vec![b' '; (4 << 20) + 1]);
    let size = format!("\"size\":{}", image.manifest().len());
    let version = b"{\"imageLayoutVersion\":\"2\\u001b\"}";
    all_refused(vec![
        (changed(&oci, "oci-layout", None), "no `oci-layout`"),
        (changed(&oci, "oci-layout", Some(b"{}")), "cannot read `oci-layout`"),
        (changed(&oci, "oci-layout", Some(version)), "layout has version `2\\u{1b}`, not 1.0.0"),
        (changed(&oci, "index.json", Some(&large)), "more than the 4.0 MiB of any document"),
        (changed(&oci, "index.json", Some(b"[]")), "`index.json` cannot be used"),
        (changed(&oci, "index.json", Some(&image.manifest())), "is not a list of images"),
        (index_with(&size, "\"size\":1"), "is stated to have 1 bytes, but has "),
        (index_with("\"digest\":\"sha256:", "\"digest\":\"sha512:"), "is not a digest that can"),
        (index_with("\"digest\":\"sha256:", "\"digest\":\"../../"), "is not a digest that can"),
        (index_with(OCI_MANIFEST, "text/plain"), "the type is `text/plain`"),
        (other_bytes(&image.manifest()), "does not have the digest"),
        (other_bytes(&image.config), "does not have the digest"),
        (changed(&oci, &layer, Some(b"Layer")), "does not have the digest"),
        (changed(&oci, &layer, Some(b"layer\0")), "is stated to have 5 bytes, but has 6"),
        (changed(&oci, &layer, None), "is missing"),
    ]);
}

#[test]
fn a_malformed_archive_of_docker_is_refused() {
    let image = Registered::oci(&[b"layer"]);
    let saved = docker(&[(NAME, &image)]);
    let list_with = |old: &str, new: &str| replaced(&saved, "manifest.json", old, new);
    let config = format!("{}.json", Digest::of(&image.config));
    let plain = format!("{}.tar", Digest::of(b"layer"));
    let linked = |target: &str| {
        let mut link = header("l", b'2', 0);
        link.set_link_name(target).unwrap();
        link.set_cksum();
        let mut tar = Vec::new();
        append(&mut tar, &link, b"");
        tar.extend(list_with(&plain, "l"));
        tar
    };
    all_refused(vec![
        (changed(&saved, "manifest.json", Some(b"{}")), "cannot read `manifest.json`"),
        (changed(&saved, "manifest.json", Some(b"[]")), "it has no image"),
        (list_with(&config, "../../../../etc/passwd"), "`../../../../etc/passwd` is missing"),
        (list_with(&plain, "/etc/passwd"), "`/etc/passwd` is missing"),
        (list_with(&plain, "\\u001b[2J"), "`\\u{1b}[2J` is missing"),
        (list_with(&format!("\"{plain}\""), ""), "the image has 0 layers"),
        (changed(&saved, &plain, Some(b"Layer")), "but the configuration says `sha256:"),
        (changed(&saved, &plain, Some(&gzip(b"layer"))), "if the layer is compressed"),
        (changed(&saved, &config, Some(b"{}")), "not that in its name"),
        (linked("/etc/passwd"), "`l` is missing"),
        (linked("../../etc/passwd"), "`l` is missing"),
        (linked("l"), "`l` is missing"),
    ]);
    Machine::new().archive(&linked(&plain), None).unwrap();
}

#[test]
fn an_image_is_not_larger_than_the_recipe_allows() {
    let machine = Machine { cap: ByteSize::new(100_000), ..Machine::new() };
    let heavy = Registered::oci(&[&vec![0; 200_000]]);
    for form in [layout, docker] {
        let tar = tar_of(&form(&[(NAME, &heavy)]));
        let error = message(&machine.archive(&tar, None).unwrap_err());
        assert!(error.contains("more than the 97.6 KiB allowed"), "{error}");
        let error = message(&machine.archive(&gzip(&tar), None).unwrap_err());
        assert!(error.contains("allowed when it is decompressed"), "{error}");
    }
    // One layer under many names is not read many times.
    let layer = vec![7; 40_000];
    let tar = tar_of(&docker(&[(NAME, &Registered::oci(&[&layer, &layer, &layer]))]));
    let error = message(&machine.archive(&tar, None).unwrap_err());
    assert!(error.contains("at least 117.1 KiB"), "{error}");
}

#[test]
fn in_a_folder_only_files_of_a_layout_are_read() {
    let image = Registered::oci(&[b"layer"]);
    let machine = Machine::new();
    let error = message(&machine.folder(&docker(&[(NAME, &image)]), None).unwrap_err());
    assert!(error.contains("the folder has no `index.json`"), "{error}");
    let good = machine.folder(&layout(&[(NAME, &image)]), None).unwrap();
    let (name, bytes) = blob(b"layer");
    let path = machine.place("saved").join(&name);
    // Build systems make layouts of links.
    let elsewhere = machine.place("elsewhere");
    std::fs::write(&elsewhere, &bytes).unwrap();
    std::fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
    let saved = at(&machine.place("saved"), None);
    assert_eq!(machine.saved(&saved).unwrap(), good);
    std::fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
    let error = message(&machine.saved(&saved).unwrap_err());
    assert!(error.contains("is not a regular file"), "{error}");
    let error = message(&machine.saved(&at(Utf8Path::new("/dev/zero"), None)).unwrap_err());
    assert!(error.contains("it is neither a file nor a folder"), "{error}");
    let error = message(&machine.saved(&at(&machine.place("none"), None)).unwrap_err());
    assert!(error.contains("No such file"), "{error}");
}
