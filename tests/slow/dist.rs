//! The programs to install, as `cargo dist` makes them: the same bytes from two clones and from two
//! runs, and packages that work in clean Debian roots.

use std::fs;
use std::path::Path;
use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};
use tempfile::TempDir;
use vgpu_manifest::Digest;
use vgpu_tests::nodes::Node;
use vgpu_tests::roots::{Release, Root, Roots, with_own_mounts};
use vgpu_tests::scratch::expect;
use vgpu_tests::skip::have;
use vgpu_tests::tree::Snapshot;

/// The path of the checkout.
fn checkout() -> &'static Utf8Path {
    Utf8Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn folder() -> (TempDir, Utf8PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap();
    (folder, path)
}

/// Runs `cargo dist` in a checkout with this umask, and returns the digest of each file.
fn dist(checkout: &Utf8Path, umask: &str, output: &Utf8Path, more: &[&str]) -> Vec<String> {
    let mut command = Command::new("sh");
    command.args(["-c", "umask \"$0\" && exec \"$@\"", umask, env!("CARGO_BIN_EXE_dist")]);
    command.args(["--output", output.as_str()]).args(more).current_dir(checkout);
    expect(command, 0);
    let mut sum = Command::new("sha256sum");
    sum.args(["-c", "--strict", "--quiet", "SHA256SUMS"]).current_dir(output);
    expect(sum, 0);
    let mut found = Vec::new();
    list(output.as_std_path(), &mut found);
    found.sort();
    found
}

/// Lists the files below a folder: mode, digest and name.
fn list(folder: &Path, found: &mut Vec<String>) {
    use std::os::unix::fs::PermissionsExt as _;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            list(&path, found);
        } else {
            let mode = path.metadata().unwrap().permissions().mode();
            let digest = Digest::of(&fs::read(&path).unwrap());
            found.push(format!("{} {mode:o} {digest}", path.file_name().unwrap().display()));
        }
    }
}

#[test]
fn two_clones_give_the_same_installer() {
    if !have("git") {
        return;
    }
    let (_keep, base) = folder();
    let [a, b] = [("a", "022"), ("another folder/b", "077")].map(|(name, umask)| {
        let clone = base.join(name);
        let mut git = Command::new("git");
        git.args(["clone", "--quiet", checkout().as_str(), clone.as_str()]);
        expect(git, 0);
        let output = base.join(format!("{name}.out"));
        let files = dist(&clone, umask, &output, &["--installer-only"]);
        // No path of this machine is in the program.
        let program = fs::read(output.join("vgpu-installer")).unwrap();
        let text = String::from_utf8_lossy(&program);
        for path in [base.as_str(), "/.cargo/registry"] {
            assert!(!text.contains(path), "{path}");
        }
        // Two target folders need several gigabytes.
        fs::remove_dir_all(clone).unwrap();
        files
    });
    assert_eq!(a.len(), 4, "{a:?}");
    assert_eq!(a, b);
}

#[test]
fn the_packages_work_in_clean_roots() {
    with_own_mounts("dist::the_packages_work_in_clean_roots", || {
        if !["cargo-zigbuild", "dpkg-deb", "ssh-keygen"].into_iter().all(have) {
            return;
        }
        let Some(roots) = Roots::open() else { return };
        let (_keep, base) = folder();
        let key = base.join("release");
        let mut keygen = Command::new("ssh-keygen");
        keygen.args(["-q", "-t", "ed25519", "-N", "", "-C", "release", "-f"]).arg(&key);
        expect(keygen, 0);
        let made = base.join("dist");
        let signed = dist(checkout(), "022", &made, &["--key", key.as_str()]);
        let again = dist(checkout(), "077", &base.join("again"), &[]);
        let unsigned: Vec<_> = signed.iter().filter(|it| !it.contains(".sig ")).cloned().collect();
        assert_eq!(signed.len() - unsigned.len(), 2, "{signed:?}");
        assert_eq!(unsigned, again);
        check_as_the_readme_says(&made, &key);
        for release in [Release::Debian12, Release::Debian13] {
            let Some(pristine) = roots.pristine(release) else { continue };
            round_trip(&pristine.fresh(), &made);
        }
    });
}

/// Returns the code blocks of the README's first screen, in order.
fn readme() -> Vec<String> {
    let text = fs::read_to_string(checkout().join("README.md")).unwrap();
    let section = text.split_once("\n## From download to a vGPU").unwrap().1;
    let section = section.split("\n## ").next().unwrap();
    section.split("```\n").skip(1).step_by(2).map(str::to_owned).collect()
}

/// Checks a release with the commands of the README.
fn check_as_the_readme_says(dist: &Utf8Path, key: &Utf8Path) {
    let public = fs::read_to_string(format!("{key}.pub")).unwrap();
    let line = format!("release namespaces=\"file,vgpu-installer\" {public}");
    fs::write(dist.join("release-signers"), line).unwrap();
    let block = &readme()[0];
    let (checks, install) = block.split_once("sudo apt install ").unwrap();
    assert!(install.contains("vgpu-installer_*_amd64.deb"), "{block}");
    let mut sh = Command::new("sh");
    sh.args(["-ec", checks]).current_dir(dist);
    let said = expect(sh, 0).out;
    assert!(said.contains("Good \"file\" signature for release"), "{said}");
    assert!(said.contains("vgpu-bundler: OK"), "{said}");
}

/// The recipe that the reader of the README writes in the editor.
const RECIPE: &str = "[bundle]\nname = 'gpu'\nchannel = 'stable'\n\
    [[file]]\nname = 'etc/a.conf'\npath = '/root/a.conf'\n\
    [targets]\ngpu = ['10de:1eb8']\ndriver = '16.9'\n\
    [host]\n[[host.file]]\nitem = 'etc/a.conf'\npath = '/etc/a.conf'\n";

/// Installs the packages in a root, and follows the README on a simulated node in it.
fn round_trip(root: &Root, dist: &Utf8Path) {
    let mut packages = vec!["openssh-client".to_owned()];
    for entry in dist.read_dir_utf8().unwrap() {
        let path = entry.unwrap().into_path();
        if path.extension() == Some("deb") {
            let inside = format!("/root/{}", path.file_name().unwrap());
            root.write(&inside, fs::read(&path).unwrap());
            packages.push(inside);
        }
    }
    assert_eq!(packages.len(), 3, "{packages:?}");
    root.connect();
    root.install(&packages.iter().map(String::as_str).collect::<Vec<_>>());

    let node = root.at("/srv/node");
    Node::TeslaT4.write(&node).unwrap();
    let own = ["etc/vgpu-offline", "var/lib/vgpu-offline", "var/log/vgpu-offline"];
    let before = Snapshot::of(&node, &own).unwrap();
    fs::create_dir_all(root.at("/media/stick")).unwrap();
    root.write("/root/a.conf", "some = \"text\"\n");
    root.write("/root/mine.toml", RECIPE);

    // From here on, no command has a network, and the packages are what apt has installed.
    let script = readme()[1..].concat();
    let fingerprint = "\"$(ssh-keygen -lf ~/.config/vgpu-offline/key.pub | cut -d ' ' -f 2)\"";
    let script = format!("cd /root\n{script}")
        .replace("--principal alice\n", "--principal alice --no-passphrase\n")
        .replace("SHA256:…", fingerprint)
        .replace("$EDITOR ", "cp mine.toml ")
        .replace("/vgpu-installer ", "/vgpu-installer --root /srv/node ")
        .replace("\nvgpu-installer ", "\nvgpu-installer --root /srv/node ")
        .replace("/vgpu-offline/vgpu-installer --root /srv/node ", "/vgpu-offline/vgpu-installer ")
        .replace(" apply ", " apply --yes ")
        .replace(" revert ", " revert --yes ");
    let said = expect(root.command(&["sh", "-eux", "-c", &script]), 0);
    for words in ["write /media/stick", "apply --yes", "status", "revert --yes"] {
        assert!(said.err.contains(words), "{words}: {}", said.err);
    }
    let differences = before.differences(&Snapshot::of(&node, &own).unwrap());
    assert_eq!(differences, Vec::<String>::new(), "{}\n{}", said.out, said.err);

    // What apt has installed, it removes.
    let words = ["apt-get", "--yes", "purge", "vgpu-bundler", "vgpu-installer"];
    expect(root.command(&words), 0);
    for path in ["/usr/lib/vgpu-offline", "/usr/sbin/vgpu-installer", "/usr/bin/vgpu-bundler"] {
        assert!(!root.at(path).exists(), "{path}");
    }
}
