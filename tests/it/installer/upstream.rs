//! `verify --upstream` on a node: the chain from the keyrings of its distribution to each package.

use std::fs::{self, File};
use std::io;
use std::process::Command;

use camino::Utf8PathBuf;
use serde_json::{Value, json};
use vgpu_keys::Signer as _;
use vgpu_manifest::{Item, Manifest, Measure, Source, Target, write_bundle};
use vgpu_tests::chroot::bring;
use vgpu_tests::skip::have;

use crate::archive::{Repository, can_sign};
use crate::bundler::sandbox::Sandbox;
use crate::gpg::Form;
use crate::installer::fixture::{Ran, Site, key};

const KEYRING: &str = "usr/share/keyrings/debian-archive-keyring.gpg";
const LIB: &str = "apt/test/lib_1.0_amd64.deb";
const INDEX: &str = "apt/test/test_main_Packages.gz";
const RELEASE: &str = "apt/test/test_InRelease";

/// A node with the keyring of an archive, and a bundle with packages from it.
struct Scene {
    /// Unmounted before the folder of the site is removed.
    _proc: Mounted,
    site: Site,
    sandbox: Sandbox,
    repo: Repository,
    manifest: Value,
}

struct Mounted(Utf8PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").args(["--lazy", self.0.as_str()]).status();
    }
}

/// The extracted items, some of which a test has exchanged.
struct Items(Utf8PathBuf);

impl Source for Items {
    fn open(&self, item: &Item) -> io::Result<File> {
        File::open(self.0.join(item.name().as_str()))
    }
}

impl Scene {
    /// Returns `None`, with a message, if the tools are missing.
    fn new(verifier: &str, form: Form) -> Option<Self> {
        if !can_sign() || !have("mount") {
            return None;
        }
        let site = Site::new();
        if !bring(&site.root(), &[verifier, "gzip", "dpkg"]) {
            return None;
        }
        let proc = site.path("root/proc");
        let mut mount = Command::new("mount");
        mount.args(["-t", "proc", "proc", proc.as_str()]);
        assert!(mount.status().unwrap().success(), "cannot mount {proc}");

        let sandbox = Sandbox::empty();
        sandbox.ok(&["key", "generate", "--principal", "alice", "--no-passphrase"]);
        let mut repo = Repository::new(sandbox.work("repo"), "test");
        repo.form = form;
        repo.add("tool", "1:2.0-1", "Depends: lib (>= 1), base (= 1.0+deb12u1)\n");
        repo.add_file("lib", "1.0", "", "5 MiB: ".repeat(5 << 17).into_bytes());
        repo.write_key(&sandbox.work("keys.gpg"));
        repo.publish();
        let mirror = format!("'file:{}'", sandbox.work("repo").display());
        sandbox.write(
            "bundle.toml",
            &format!(
                "[bundle]\nname = 'apt'\nchannel = 'stable'\n[[apt]]\nrelease = 'test'\n\
                 install = ['tool']\ncarry-index = true\n{}",
                repo.table(&mirror)
            ),
        );
        sandbox.ok(&["build"]);
        let shown = sandbox.ok(&["inspect", "--json", "apt-1.vgpu.tar"]).out;
        let manifest = serde_json::from_str::<Value>(&shown).unwrap()["manifest"].take();
        let folder = site.path("items");
        sandbox.ok(&["extract", "apt-1.vgpu.tar", "-o", folder.as_str()]);

        site.write("root/etc/os-release", b"ID=debian\nVERSION_CODENAME=test\n");
        let scene = Self { _proc: Mounted(proc), site, sandbox, repo, manifest };
        scene.install_keyring(&fs::read(scene.sandbox.work("keys.gpg")).unwrap());
        scene.site.trust(&key(1), "alice", &[]).expect(0);
        Some(scene)
    }

    /// Writes the keyring and dpkg's records of it.
    fn install_keyring(&self, bytes: &[u8]) {
        let path = self.site.write(&format!("root/{KEYRING}"), bytes);
        let md5 = Command::new("md5sum").arg(&path).output().unwrap().stdout;
        let md5 = String::from_utf8(md5[..32].to_vec()).unwrap();
        let dpkg = "root/var/lib/dpkg";
        // The packages of the bundle are on the node, so that apt is not needed.
        let installed = [
            ("debian-archive-keyring", "1"),
            ("base", "1.0+deb12u1"),
            ("tool", "1:2.0-1"),
            ("lib", "1.0"),
        ];
        let stanza = |(name, version)| {
            format!(
                "Package: {name}\nStatus: install ok installed\nVersion: {version}\n\
                 Architecture: amd64\nMaintainer: x\nDescription: x\n\n"
            )
        };
        let status: String = installed.into_iter().map(stanza).collect();
        self.site.write(&format!("{dpkg}/status"), status.as_bytes());
        let folders = "/.\n/usr\n/usr/share\n/usr/share/keyrings\n";
        let list = format!("{folders}/{KEYRING}\n");
        let info = format!("{dpkg}/info/debian-archive-keyring");
        self.site.write(&format!("{info}.list"), list.as_bytes());
        self.site.write(&format!("{info}.md5sums"), format!("{md5}  {KEYRING}\n").as_bytes());
    }

    /// Exchanges the content of an item, and records it in the manifest as the bundler would.
    fn exchange(&mut self, name: &str, bytes: &[u8]) {
        self.site.write(&format!("items/{name}"), bytes);
        let measured = Measure::of(&mut &*bytes).unwrap();
        let item = self.item(name);
        item["size"] = json!(measured.size);
        item["sha256"] = json!(measured.sha256);
        item.as_object_mut().unwrap().remove("chunks");
        if !measured.chunks.is_empty() {
            item["chunks"] = json!(measured.chunks);
        }
    }

    fn item(&mut self, name: &str) -> &mut Value {
        let items = self.manifest["items"].as_array_mut().unwrap();
        items.iter_mut().find(|item| item["name"] == name).unwrap()
    }

    /// Signs the bundle as it now is, with the trusted key, and runs a command on it.
    fn run(&self, words: &[&str]) -> Ran {
        let path = self.site.path("stick/apt.vgpu.tar");
        let manifest = Manifest::parse(self.manifest.to_string().as_bytes()).unwrap();
        let target = Target { path: &path, split: None };
        let items = Items(self.site.path("items"));
        write_bundle(&manifest, &items, &[&key(1)], target, &|_| {}).unwrap();
        self.site.run(&[&["--chroot"], words, &[path.as_str()]].concat())
    }

    fn upstream(&self) -> Ran {
        self.run(&["verify", "--upstream"])
    }
}

#[test]
fn the_node_confirms_packages_by_its_own_keyring() {
    for (verifier, form) in
        [("gpgv", Form::Inline), ("sqv", Form::Inline), ("gpgv", Form::Detached)]
    {
        let Some(scene) = Scene::new(verifier, form) else { return };
        let ran = scene.upstream().expect(0);
        assert!(ran.out.contains("2 of 2 packages are signed by their archives"), "{}", ran.out);
        let by = format!("archive test: 2 packages, signed by {}", scene.repo.fingerprint());
        ran.says(&[&by]);
    }
}

#[test]
fn packages_that_a_delta_leaves_out_are_confirmed_in_the_store() {
    let Some(mut scene) = Scene::new("gpgv", Form::Inline) else { return };
    let full = scene.manifest.clone();
    let digest = vgpu_manifest::Digest::of(b"the root of the full bundle");
    let base = json!({ "name": "apt", "sequence": 1, "digest": digest });
    for item in scene.manifest["items"].as_array_mut().unwrap() {
        if item["kind"]["package"].is_object() {
            item["base"] = base.clone();
        }
    }
    scene.upstream().expect(4).says(&["leaves out 2 items", LIB]);
    let delta = std::mem::replace(&mut scene.manifest, full);
    scene.run(&["store", "add"]).expect(0);
    scene.manifest = delta;
    let ran = scene.upstream().expect(0);
    assert!(ran.out.contains("2 of 2 packages are signed by their archives"), "{}", ran.out);

    // The chunks are those of the package in the store, but the archive has signed another one.
    let good = scene.item(LIB)["sha256"].take();
    scene.item(LIB)["sha256"] = json!(digest);
    scene.upstream().expect(3).says(&[LIB, "has SHA-256"]);
    scene.item(LIB)["sha256"] = good;
    let manifest = Manifest::parse(scene.manifest.to_string().as_bytes()).unwrap();
    let id = manifest.items.iter().find(|item| item.name().as_str() == LIB).unwrap().id();
    let stored = format!("root/var/lib/vgpu-offline/store/{id}");
    let mut bytes = fs::read(scene.site.path(&stored)).unwrap();
    bytes[100] ^= 1;
    scene.site.write(&stored, &bytes);
    scene.upstream().expect(1).says(&["digest mismatch", id.to_string().as_str()]);
}

#[test]
fn what_the_builder_has_exchanged_is_found() {
    let Some(mut scene) = Scene::new("gpgv", Form::Inline) else { return };
    let good = (scene.manifest.clone(), fs::read(scene.site.path("items").join(LIB)).unwrap());
    let index = fs::read(scene.site.path("items").join(INDEX)).unwrap();
    let release = fs::read_to_string(scene.site.path("items").join(RELEASE)).unwrap();

    // Another package, recorded honestly.
    let mut evil = good.1.clone();
    evil[100] ^= 1;
    scene.exchange(LIB, &evil);
    scene.run(&["verify"]).expect(0);
    scene.upstream().expect(3).says(&["no index of the archive `test` lists the package", LIB]);

    // Another package under the digest that the archive has signed.
    scene.item(LIB)["sha256"] = item_of(&good.0, LIB)["sha256"].clone();
    scene.run(&["verify"]).expect(0);
    scene.upstream().expect(3).says(&[LIB, "has SHA-256"]);
    let signers = format!("alice namespaces=\"vgpu-bundle\" {}\n", key(1).public_key());
    scene.sandbox.write("signers", &signers);
    let bundle = scene.site.path("stick/apt.vgpu.tar");
    let laptop = ["verify", bundle.as_str(), "--signers", "signers"];
    scene.sandbox.ok(&laptop);
    let upstream = [&laptop[..], &["--upstream", "--keyring", "keys.gpg"]].concat();
    let error = scene.sandbox.fails(3, &upstream);
    assert!(error.contains(LIB) && error.contains("has SHA-256"), "{error}");

    // Other relations of a package: apt would follow them.
    scene.exchange(LIB, &good.1);
    scene.item(LIB)["kind"]["package"]["fields"] = json!({ "Pre-Depends": "evil" });
    scene.upstream().expect(3).says(&["no index of the archive", LIB]);
    scene.manifest = good.0.clone();

    // An index with the other package.
    let text = scene.repo.packages();
    let digest = |bytes: &[u8]| Measure::of(&mut &*bytes).unwrap().sha256.to_string();
    scene.exchange(LIB, &evil);
    let evil_text = text.replace(&digest(&good.1), &digest(&evil));
    assert_ne!(evil_text, text);
    let evil_index = gzip(evil_text.as_bytes());
    scene.exchange(INDEX, &evil_index);
    scene.upstream().expect(3).says(&["does not list the index", INDEX]);

    // A release with that index: changed, without a signature, and signed by a stranger.
    let size = |bytes: &[u8]| format!(" {} ", bytes.len());
    let listed = release
        .replace(&digest(&index), &digest(&evil_index))
        .replace(&size(&index), &size(&evil_index));
    scene.exchange(RELEASE, listed.as_bytes());
    scene.upstream().expect(3).says(&["is not signed by a key of this node", "BAD signature"]);
    let (_, text) = listed.split_once("\n\n").unwrap();
    let (text, _) = text.split_once("-----BEGIN PGP SIGNATURE").unwrap();
    scene.exchange(RELEASE, text.as_bytes());
    scene.upstream().expect(3).says(&["does not begin with a clear-signed text"]);
    scene.exchange(RELEASE, format!("{release}{text}").as_bytes());
    scene.upstream().expect(3).says(&["unsigned text follows its signature"]);
    let stranger = Repository::new(scene.sandbox.work("other"), "test");
    fs::create_dir_all(scene.sandbox.work("other/dists/test")).unwrap();
    stranger.sign(text);
    let signed = fs::read(scene.sandbox.work("other/dists/test/InRelease")).unwrap();
    scene.exchange(RELEASE, &signed);
    let signed_by = json!(stranger.fingerprint());
    scene.manifest["archives"][0]["signed-by"] = signed_by;
    scene.upstream().expect(3).says(&["is not signed by a key of this node"]);

    // A key that the operator has added to the keyring is not the distribution's.
    stranger.write_key(&scene.sandbox.work("other.gpg"));
    let both = [scene.sandbox.work("keys.gpg"), scene.sandbox.work("other.gpg")];
    let both = both.map(|path| fs::read(path).unwrap()).concat();
    fs::write(scene.site.root().join(KEYRING), &both).unwrap();
    scene.upstream().expect(3).says(&["debian-archive-keyring", "installed intact"]);
    // With the same key in the package of the distribution, the bundle is good.
    scene.install_keyring(&both);
    scene.upstream().expect(0);
}

#[test]
fn a_policy_can_require_it_and_plan_and_report_tell_of_it() {
    let Some(mut scene) = Scene::new("gpgv", Form::Inline) else { return };
    let plan = scene.run(&["plan"]).expect(0);
    assert!(plan.out.contains("2 of 2 packages are signed by their archives"), "{}", plan.out);
    let plan = scene.run(&["plan", "--json"]).expect(0).json();
    assert_eq!(plan["bundle"]["upstream"], json!({ "packages": 2, "of": 2 }));
    scene.run(&["apply", "--yes"]).expect(0);
    let text = scene.site.run(&["report"]).expect(0).out;
    assert!(text.contains("2 of 2 packages are signed by their archives"), "{text}");
    let report = scene.site.run(&["report", "--json"]).expect(0).json();
    let applied = &report["comparable"]["applied"]["bundle"];
    assert_eq!(applied["upstream"], json!({ "packages": 2, "of": 2 }), "{report}");

    // That bundle was confirmed, so another one needs a later sequence.
    scene.manifest["sequence"] = json!(2);
    // Without the rule, a broken chain is only told.
    let good = fs::read(scene.site.path("items").join(LIB)).unwrap();
    scene.exchange(LIB, &good[1..]);
    let plan = scene.run(&["plan"]).expect(0);
    assert!(plan.out.contains("0 of 2 packages are signed by their archives"), "{}", plan.out);
    assert!(plan.out.contains("archive test: not confirmed: no index"), "{}", plan.out);

    scene.site.run(&["trust", "set-upstream", "required"]).expect(0);
    let listed = scene.site.run(&["trust", "list"]).expect(0).out;
    assert!(listed.contains("signatures of their archives required"), "{listed}");
    for command in [&["plan"][..], &["apply", "--yes"]] {
        scene.run(command).expect(3).says(&["no index of the archive", "carry-index = true"]);
    }
    scene.exchange(LIB, &good);
    scene.run(&["plan"]).expect(0);
    // Another change of trust keeps the rule.
    scene.site.trust(&key(2), "bob", &[]).expect(0);
    scene.manifest["archives"][0].as_object_mut().unwrap().remove("indexes");
    scene.run(&["plan"]).expect(3).says(&["made without `carry-index`"]);
    scene.site.run(&["trust", "set-upstream", "optional"]).expect(0);
    scene.run(&["plan"]).expect(0);
}

fn item_of<'m>(manifest: &'m Value, name: &str) -> &'m Value {
    manifest["items"].as_array().unwrap().iter().find(|item| item["name"] == name).unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    io::Write::write_all(&mut gzip, bytes).unwrap();
    gzip.finish().unwrap()
}
