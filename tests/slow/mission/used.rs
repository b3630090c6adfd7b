//! Each item of the bundle, used by its consumer. No command here has a network.

use std::fs;
use std::process::Command;

use camino::Utf8PathBuf;
use serde_json::Value;
use vgpu_manifest::driver::{DriverRecord, PatchRecord};
use vgpu_manifest::{Digest, Item, Kind, Manifest};
use vgpu_tests::oci::Podman;
use vgpu_tests::scratch::{expect, run, without_network};
use vgpu_tests::stock::recipe;

use super::laptop::Laptop;
use crate::node::site::Site;
use crate::unlock::{ASK, builds_without_a_network, loads_with_the_oldest_glibc};

/// The bundle, unpacked with the documented stock tools and no program of this project.
pub(super) struct Unpacked<'m> {
    manifest: &'m Manifest,
    /// The folder in which the consumers work.
    work: Utf8PathBuf,
    folder: Utf8PathBuf,
}

impl<'m> Unpacked<'m> {
    /// Verifies and unpacks the bundle, exactly as documented.
    pub(super) fn by_the_stock_recipe(laptop: &Laptop<'_>, manifest: &'m Manifest) -> Self {
        let work = laptop.scratch.path("work");
        fs::create_dir(&work).unwrap();
        let mut command = Command::new("sh");
        command.arg("-c").arg(recipe()).current_dir(&work).env("BUNDLE", laptop.bundle());
        command.env("SIGNERS", laptop.scratch.path("config/vgpu-offline/allowed_signers"));
        command.env("WHO", "alice").env("SLOT", "1");
        let said = expect(without_network(&command), 0).out;
        let folder = work.join("unpacked");
        assert!(said.contains(&format!("\nproven: {folder}")), "{said}");
        let files = manifest.items.iter().filter(|it| folder.join(it.name().as_str()).is_file());
        assert_eq!(files.count(), manifest.items.len());
        Self { manifest, work, folder }
    }

    fn item(&self, name: impl AsRef<str>) -> Utf8PathBuf {
        self.folder.join(name.as_ref())
    }

    /// Checks that the package is intact, and contains the patched files of the manifest.
    pub(super) fn driver_checks_and_unpacks_itself(&self) {
        let (item, driver) = driver(self.manifest);
        let package = self.item(item.name().as_str());
        let sh = |words: &[&str]| {
            let mut command = Command::new("sh");
            command.arg(&package).args(words).current_dir(&self.work);
            expect(without_network(&command), 0).out
        };
        sh(&["--check"]);
        assert_eq!(sh(&["--version-string"]).trim(), driver.version.to_string());
        let tree = self.work.join("tree");
        sh(&["-x", "--target", tree.as_str()]);
        let config = fs::read(tree.join("vgpuConfig.xml")).unwrap();
        assert_eq!(Some(Digest::of(&config)), driver.config);
        let (patch_item, patch) = patch(self.manifest, item);
        assert_eq!(patch.files.len(), 2);
        for file in &patch.files {
            let bytes = fs::read(tree.join(file.path.as_str())).unwrap();
            assert_eq!(Some(Digest::of(&bytes)), file.before, "{:?}", file.path);
        }
        // The package applies the patch with the machine's `patch`, if that supports binary files.
        let said = run({
            let mut command = Command::new("patch");
            command.arg("--version");
            command
        });
        if said.out.starts_with("GNU patch 2.7") {
            sh(&["--apply-patch", self.item(patch_item.name().as_str()).as_str()]);
            let custom = self.work.join(format!("{}-custom.run", package.file_stem().unwrap()));
            let mut unpack = Command::new("sh");
            let patched = self.work.join("patched");
            unpack.args([custom.as_str(), "-x", "--target", patched.as_str()]);
            expect(without_network(&unpack), 0);
            for file in &patch.files {
                let bytes = fs::read(patched.join(file.path.as_str())).unwrap();
                assert_eq!(Some(Digest::of(&bytes)), file.after, "{:?}", file.path);
            }
        }
    }

    /// Checks that the built library is preloaded, and that cargo rebuilds it from the sources.
    pub(super) fn library_is_preloaded_and_built_again(&self) {
        let (source, _) = only(self.manifest.records(Kind::unlock));
        let (built, _) = only(self.manifest.records(|kind| kind.library_of(source.name())));
        loads_with_the_oldest_glibc(&self.item(built.name().as_str()));
        let sources = self.work.join("sources");
        builds_without_a_network(&self.item(source.name().as_str()), &sources);
    }

    /// Checks that podman finds the image by its name, with the digest of the manifest.
    pub(super) fn image_is_loaded(&self) {
        let (item, record) = only(self.manifest.records(Kind::image));
        let archive = self.item(item.name().as_str());
        let podman = Podman::new(&self.work.join("podman"));
        let alone = |words: &[&str]| expect(without_network(&podman.command(words)), 0).out;
        let said = alone(&["load", "--input", archive.as_str()]);
        assert_eq!(said.trim(), format!("Loaded image: {}", record.reference));
        let inspected = alone(&["image", "inspect", record.reference.as_str()]);
        let inspected: Value = serde_json::from_str(&inspected).unwrap();
        assert_eq!(inspected[0]["Digest"], format!("sha256:{}", record.digest));
        assert_eq!(inspected[0]["Config"]["Entrypoint"][0], "uvicorn");
        let mut skopeo = Command::new("skopeo");
        skopeo.args(["inspect", &format!("oci-archive:{archive}")]);
        let inspected = expect(without_network(&skopeo), 0).out;
        let inspected: Value = serde_json::from_str(&inspected).unwrap();
        assert_eq!(inspected["Digest"], format!("sha256:{}", record.digest));
    }
}

fn only<'m, T: 'm>(mut records: impl Iterator<Item = (&'m Item, &'m T)>) -> (&'m Item, &'m T) {
    let first = records.next().expect("a record");
    assert!(records.next().is_none());
    first
}

fn driver(manifest: &Manifest) -> (&Item, &DriverRecord) {
    only(manifest.records(Kind::driver))
}

fn patch<'m>(manifest: &'m Manifest, driver: &Item) -> (&'m Item, &'m PatchRecord) {
    only(manifest.records(|kind| kind.patch_of(driver.name())))
}

/// Runs the installer with the real apt, dpkg, DKMS and compiler: through the reboot to the patched
/// module.
pub(super) fn on_the_node(site: &Site, manifest: &Manifest, kernel: &str) {
    site.apply(10);
    let installed = site.packages();
    for (_, package) in manifest.records(Kind::package) {
        let (name, version) = (package.name.as_str(), package.version.as_str());
        let is_there = |line: &str| {
            let (here, rest) = line.split_once(' ').unwrap_or_default();
            here.split(':').next() == Some(name)
                && rest == format!("{version} install ok installed")
        };
        assert!(installed.lines().any(is_there), "{name} {version} in {installed}");
    }
    site.root.write("/root/proc/boot_id", "second\n");
    site.run(&["apply", "--resume"], 0);
    site.run(&["status"], 0);
    let (item, driver) = driver(manifest);
    let dkms = site.root.run(&["dkms", "status"]).out;
    assert!(dkms.contains(&format!("nvidia/{}, {kernel}", driver.version)), "{dkms}");
    for file in &patch(manifest, item).1.files {
        let path = file.path.as_str().strip_prefix("kernel/").unwrap();
        let path = format!("/usr/src/nvidia-{}/{path}", driver.version);
        let bytes = fs::read(site.root.at(&path)).unwrap();
        assert_eq!(Some(Digest::of(&bytes)), file.after, "{path}");
    }
    // The node's own processes load the library.
    let preload = "LD_PRELOAD=/opt/vgpu_unlock-rs/target/release/libvgpu_unlock_rs.so";
    let asked = expect(site.root.command(&["env", preload, "python3", "-c", ASK]), 0).out;
    assert_eq!(asked, "42\n");
}
