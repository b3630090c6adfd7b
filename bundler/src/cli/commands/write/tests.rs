//! Writes a complete copy to a medium with artificial limits.

use std::io;

use clap::Parser as _;
use vgpu_keys::{KeyFile, Signer as _};
use vgpu_manifest::{
    BundleName, CHUNK, Item, ItemFields, ItemMode, Kind, Manifest, Measure, Origin, ProgramVersion,
    Source, Target, Wants, write_bundle,
};

use super::contents::signers as signers_of;
use super::*;
use crate::stick::Facts;

#[derive(clap::Parser)]
struct Only {
    #[command(flatten)]
    args: Args,
}

/// A medium with these limits.
struct Small {
    largest_file: Option<u64>,
    free: u64,
}

impl Medium for Small {
    fn facts(&self, _: &Utf8Path) -> io::Result<Facts> {
        Ok(Facts { largest_file: self.largest_file, free: self.free, unit: 4096 })
    }
}

/// A machine with a key, a bundle of 9 MiB, and a stick.
struct Laptop {
    dir: tempfile::TempDir,
}

struct Bytes(Utf8PathBuf);

impl Source for Bytes {
    fn open(&self, _: &Item) -> io::Result<fs::File> {
        fs::File::open(&self.0)
    }
}

impl Laptop {
    fn new() -> Self {
        let laptop = Self { dir: tempfile::tempdir().unwrap() };
        let key = KeyFile::from_seed(&[7; 32], "alice").unwrap();
        let line = format!("alice namespaces=\"vgpu-bundle\" {}\n", key.public_key());
        fs::write(laptop.path("signers"), line).unwrap();
        fs::create_dir(laptop.path("stick")).unwrap();
        let bytes: Vec<u8> = (0..9_u32 << 18).flat_map(u32::to_le_bytes).collect();
        fs::write(laptop.path("source"), &bytes).unwrap();
        let measured = Measure::of(&mut &*bytes).unwrap();
        let item = Item::new(ItemFields {
            name: "large".parse().unwrap(),
            size: measured.size,
            mode: ItemMode::Plain,
            sha256: measured.sha256,
            chunks: measured.chunks,
            kind: Kind::Plain,
            base: None,
            origin: Origin::File,
        });
        let manifest = manifest("gpu".parse().unwrap(), item.unwrap());
        let path = laptop.path("gpu-1.vgpu.tar");
        let target = Target { path: &path, split: None };
        let source = Bytes(laptop.path("source"));
        write_bundle(&manifest, &source, &[&key], target, &|_| {}).unwrap();
        laptop
    }

    fn path(&self, name: &str) -> Utf8PathBuf {
        Utf8Path::from_path(self.dir.path()).unwrap().join(name)
    }

    fn write(&self, medium: &Small, words: &[&str]) -> anyhow::Result<Vec<(String, State)>> {
        let [stick, bundle, signers] =
            ["stick", "gpu-1.vgpu.tar", "signers"].map(|name| self.path(name));
        let named = ["write", stick.as_str(), bundle.as_str(), "--signers", signers.as_str()];
        let args = Only::parse_from([&named[..], words].concat()).args;
        let report = args.write(&Ui::remembering(), medium)?;
        Ok(report.files.into_iter().map(|file| (file.name, file.state)).collect())
    }
}

fn manifest(name: BundleName, item: Item) -> Manifest {
    Manifest {
        proofs: Vec::new(),
        format: vgpu_manifest::FORMAT,
        needs: ProgramVersion::current(),
        made_by: ProgramVersion::current(),
        name,
        channel: "stable".parse().unwrap(),
        sequence: 1,
        created: 0,
        wants: Wants::default(),
        archives: Vec::new(),
        purpose: None,
        items: vec![item],
    }
}

const ROOMY: Small = Small { largest_file: None, free: 1 << 30 };
/// Like FAT32, with a limit one byte below a multiple of the chunk size.
const FAT: Small = Small { largest_file: Some(2 * CHUNK - 1), free: 1 << 30 };

#[test]
fn what_is_too_long_for_the_file_system_is_split_in_whole_chunks() {
    let laptop = Laptop::new();
    let files = laptop.write(&FAT, &[]).unwrap();
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    let parts = ["gpu-1.vgpu.tar.001", "gpu-1.vgpu.tar.002", "gpu-1.vgpu.tar.003"];
    assert_eq!(names, [&parts[..], &["alice.pub", "START-HERE.txt"]].concat());
    let read = |name: &str| fs::read(laptop.path("stick").join(name)).unwrap();
    let joined: Vec<u8> = parts.iter().flat_map(|name| read(name)).collect();
    assert!(joined == fs::read(laptop.path("gpu-1.vgpu.tar")).unwrap());
    assert_eq!(read(parts[0]).len() as u64, CHUNK);
    // The second run finds all files.
    let again = laptop.write(&FAT, &[]).unwrap();
    assert!(again.iter().all(|(_, state)| *state == State::WasThere), "{again:?}");
}

#[test]
fn what_does_not_fit_leaves_the_stick_as_it_was() {
    let laptop = Laptop::new();
    let full = Small { largest_file: None, free: 9 << 20 };
    let error = laptop.write(&full, &[]).unwrap_err();
    assert!(format!("{error:#}").contains("9.0 MiB free, but 9.0 MiB are needed"), "{error:#}");
    assert_eq!(laptop.path("stick").read_dir_utf8().unwrap().count(), 0);
    let error = laptop.write(&FAT, &["--part-size", "8MiB"]).unwrap_err();
    assert!(
        format!("{error:#}").contains("larger than the largest file of this file system"),
        "{error:#}"
    );
    assert_eq!(laptop.path("stick").read_dir_utf8().unwrap().count(), 0);
}

#[test]
fn parts_of_an_earlier_copy_are_removed_only_on_request() {
    let laptop = Laptop::new();
    laptop.write(&ROOMY, &["--part-size", "4MiB"]).unwrap();
    let error = laptop.write(&ROOMY, &["--part-size", "8MiB"]).unwrap_err();
    let says = format!("{error:#}");
    assert!(
        says.contains("`gpu-1.vgpu.tar.001`") && says.contains("`gpu-1.vgpu.tar.003`"),
        "{says}"
    );
    let files = laptop.write(&ROOMY, &["--part-size", "8MiB", "--replace"]).unwrap();
    assert_eq!(files[0], ("gpu-1.vgpu.tar.001".to_owned(), State::Replaced));
    assert!(!laptop.path("stick/gpu-1.vgpu.tar.003").exists());
}

#[test]
fn what_is_no_file_is_never_written_over() {
    let laptop = Laptop::new();
    fs::create_dir(laptop.path("stick/START-HERE.txt")).unwrap();
    let error = laptop.write(&ROOMY, &["--replace"]).unwrap_err();
    assert!(format!("{error:#}").contains("is not a regular file"), "{error:#}");
}

#[test]
fn an_image_with_other_bytes_is_not_read_back() {
    if std::process::Command::new("xorriso").arg("-version").output().is_err() {
        assert!(std::env::var_os("VGPU_NO_SKIP").is_none(), "needs xorriso");
        eprintln!("skipped: needs xorriso");
        return;
    }
    let laptop = Laptop::new();
    let [bundle, signers] = ["gpu-1.vgpu.tar", "signers"].map(|name| laptop.path(name));
    let words = ["write", "--iso", "x.iso", bundle.as_str(), "--signers", signers.as_str()];
    let args = Only::parse_from(words).args;
    let (policy, bundle) = (args.trust.resolve().unwrap(), args.trust.open(&bundle).unwrap());
    let image = laptop.path("x.iso");
    let staging = Staging::beside(&image).unwrap();
    let parts = stick::split("gpu-1.vgpu.tar", bundle.total(), None, None).unwrap();
    let small = small_files(&bundle, &parts, None, &signers_of(&bundle, &policy));
    let ui = Ui::remembering();
    let copy = Copy { ui: &ui, bundle: &bundle, folder: &staging.folder, parts: &parts };
    let plan = copy.plan(&small).unwrap();
    copy.write(&plan, &small).unwrap();
    let names: Vec<&str> = plan.pieces.iter().map(|piece| piece.name.as_str()).collect();
    let written = staging.write(&names, 0).unwrap();
    copy.read_back_image(&written, &small).unwrap();

    let good = fs::read(written.path()).unwrap();
    for name in names {
        let mut first = Vec::new();
        io::Read::read_to_end(&mut io::Read::take(written.read(name).unwrap(), 512), &mut first)
            .unwrap();
        let at = good.windows(first.len()).position(|bytes| bytes == first).unwrap();
        let mut bad = good.clone();
        bad[at + first.len() - 1] ^= 1;
        fs::write(written.path(), bad).unwrap();
        let error = copy.read_back_image(&written, &small).unwrap_err();
        assert!(format!("{error:#}").contains("does not return what was written"), "{error:#}");
    }
}
