//! From a node's inventory to a lock with its missing packages, without a network.

use std::fmt::Write as _;

use super::sandbox;
use crate::archive::{Repository, can_sign};
use crate::bundler::sandbox::Sandbox;

/// The archives of the node: Debian and Proxmox VE.
struct Archives {
    debian: Repository,
    proxmox: Repository,
}

impl Archives {
    /// Returns the archive's location as it appears in a recipe.
    fn new(sandbox: &Sandbox) -> Option<Self> {
        if !can_sign() {
            return None;
        }
        let mut debian = Repository::new(sandbox.work("debian"), "bookworm");
        debian.add("dkms", "3.0.10-8+deb12u1", "Depends: gcc | c-compiler, make, dpkg-dev\n");
        debian.add("gcc", "4:12.2.0-3", "Depends: libc6 (>= 2.36)\n");
        debian.add("make", "4.3-4.1", "Depends: libc6 (>= 2.34)\n");
        debian.add("dpkg-dev", "1.21.22", "");
        debian.add("mdevctl", "1.2.0-3+b1", "");
        debian.add("libc6", "2.36-9+deb12u14", "Priority: required\n");
        let mut proxmox = Repository::new(sandbox.work("proxmox"), "bookworm");
        proxmox.component = "pve-no-subscription";
        let exact = "proxmox-headers-6.8.12-43-pve";
        // `lock` inspects packages that are named like headers.
        let depends = format!("Depends: {exact}\n");
        for (name, fields) in [(exact, ""), ("proxmox-headers-6.8", depends.as_str())] {
            proxmox.add_file(name, "6.8.12-43", fields, deb());
        }
        for (archive, key) in [(&debian, "debian.gpg"), (&proxmox, "proxmox.gpg")] {
            archive.write_key(&sandbox.work(key));
            archive.publish();
        }
        debian.suite = "bookworm-updates";
        debian.publish();
        Some(Self { debian, proxmox })
    }

    /// Returns the flags that select these archives.
    fn flags(&self) -> Vec<String> {
        let each =
            [("debian", &self.debian, "debian"), ("pve-no-subscription", &self.proxmox, "proxmox")];
        let flags = each.into_iter().flat_map(|(name, archive, file)| {
            let mirror = format!("--mirror={name}=file:{}", archive.root.display());
            [mirror, format!("--archive-key={name}={file}.gpg={}", archive.fingerprint())]
        });
        flags.collect()
    }
}

/// Returns an empty package.
fn deb() -> Vec<u8> {
    let mut package = String::from("!<arch>\n");
    let data = String::from_utf8(vec![0; 1024]).unwrap();
    for (name, bytes) in [("debian-binary", "2.0\n"), ("control.tar", &*data), ("data.tar", &data)]
    {
        let size = bytes.len();
        write!(package, "{name:<16}{:<12}{:<6}{:<6}{:<8}{size:<10}`\n{bytes}", 0, 0, 0, "100644")
            .unwrap();
    }
    package.into_bytes()
}

fn init(sandbox: &Sandbox, flags: &[String]) -> String {
    let words = ["init", "--name", "gpu", "--inventory", "node.json", "--driver", "18.4"];
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    sandbox.ok(&[&words[..], &flags].concat()).err
}

/// Returns the long form of the recipe, with a text file for the driver, which does not exist here.
fn with_driver(sandbox: &Sandbox) -> String {
    let recipe = sandbox.ok(&["expand"]).out.replace("[[driver]]", "[[file]]");
    let path = recipe.lines().find_map(|line| line.strip_prefix("path = \"")).unwrap();
    std::fs::create_dir_all(sandbox.work("inputs")).unwrap();
    sandbox.write(path.trim_end_matches('"'), "a driver\n");
    recipe
}

#[test]
fn the_recipe_of_a_node_locks_what_it_lacks() {
    let sandbox = sandbox("tesla-t4");
    let Some(archives) = Archives::new(&sandbox) else { return };
    init(&sandbox, &archives.flags());
    let recipe = with_driver(&sandbox);
    sandbox.write("bundle.toml", &recipe);

    let said = sandbox.ok(&["lock"]).err;
    assert!(said.contains("bookworm: 7 new packages and 0 upgrades"), "{said}");
    let lock = sandbox.read("bundle.lock");
    for package in [
        "dkms_3.0.10-8+deb12u1",
        "gcc_4%3a12.2.0-3",
        "make_4.3-4.1",
        "dpkg-dev_1.21.22",
        "mdevctl_1.2.0-3+b1",
        "proxmox-headers-6.8.12-43-pve_6.8.12-43",
        "proxmox-headers-6.8_6.8.12-43",
    ] {
        assert!(
            lock.contains(&format!("name = \"apt/bookworm/{package}_amd64.deb\"")),
            "{package}"
        );
    }
    assert!(!lock.contains("libc6_") && !lock.contains("proxmox-kernel"), "{lock}");
}

/// Mirrors of Debian that Debian's keys have not signed.
#[test]
fn an_archive_by_other_keys_is_refused() {
    let sandbox = sandbox("tesla-t4");
    let Some(archives) = Archives::new(&sandbox) else { return };
    let mut flags = archives.flags();
    // Keys of another archive are rejected.
    flags[1] = format!("--archive-key=debian=debian.gpg={}", archives.proxmox.fingerprint());
    init(&sandbox, &flags);
    let recipe = with_driver(&sandbox);
    sandbox.write("bundle.toml", &recipe);
    let error = sandbox.fails(1, &["lock"]);
    assert!(error.contains("the keyring `debian.gpg` has no key "), "{error}");
    // Without keys, those of Debian and Proxmox are pinned.
    std::fs::remove_file(sandbox.work("bundle.toml")).unwrap();
    let mirrors: Vec<_> = flags.into_iter().filter(|it| it.starts_with("--mirror")).collect();
    init(&sandbox, &mirrors);
    let long = sandbox.ok(&["expand"]).out;
    assert!(long.contains("\"B8B80B5B623EAB6AD8775C45B7C5D7D6350947F8\""), "{long}");
    assert!(long.contains("signed-by = \"F4E136C67CDCE41AE6DE6FC81140AF8F639E0C39\""), "{long}");
    let recipe = with_driver(&sandbox);
    sandbox.write("bundle.toml", &recipe);
    let lock = sandbox.bundler(&["lock"]).output().unwrap();
    let error = crate::bundler::sandbox::Ran::from(lock);
    let told = ["is not trusted", "no keyring of this machine has the keys of the archive"];
    assert!(told.iter().any(|it| error.err.contains(it)), "{error:?}");
    assert_ne!(error.code, Some(0), "{error:?}");
}

/// A download is used for its pinned keys only.
#[test]
fn a_keyring_is_downloaded_from_the_folder_above_the_archive() {
    let sandbox = sandbox("tesla-t4");
    let Some(archives) = Archives::new(&sandbox) else { return };
    init(&sandbox, &archives.flags());
    let key = archives.proxmox.fingerprint();
    let long = with_driver(&sandbox);
    let named = format!("keyring-url = \"file:{}\"", sandbox.work("keys.gpg").display());
    let long = long.replace("keyring = \"proxmox.gpg\"", &named);
    sandbox.write("bundle.toml", &long);
    let error = sandbox.fails(1, &["lock"]);
    assert!(error.contains(&format!("has the keys of the archive `pve-no-subscription`: {key}")));
    assert!(error.contains("hint: install the archive's keyring package"), "{error}");
    archives.debian.write_key(&sandbox.work("keys.gpg"));
    let error = sandbox.fails(1, &["lock"]);
    assert!(error.contains(&format!("has no key {key}")), "{error}");
    archives.proxmox.write_key(&sandbox.work("keys.gpg"));
    sandbox.ok(&["lock"]);
}

/// Without a mirror in the recipe, the sources that this machine's apt has fetched count.
#[test]
fn mirrors_come_from_the_apt_of_this_machine() {
    if !crate::bundler::sandbox::has("apt-get") {
        return;
    }
    let sandbox = sandbox("tesla-t4");
    let Some(archives) = Archives::new(&sandbox) else { return };
    for folder in ["lists/partial", "cache/archives/partial"] {
        std::fs::create_dir_all(sandbox.work(folder)).unwrap();
    }
    let mirror = format!("file:{}", archives.debian.root.display());
    sandbox.write("list", &format!("deb [trusted=yes] {mirror} bookworm main\n"));
    let at = |name: &str| sandbox.work(name).display().to_string();
    let config = format!(
        "Dir::Etc::SourceList \"{}\";\nDir::Etc::SourceParts \"-\";\nDir::State::Lists \"{}\";\n\
         Dir::Cache \"{}\";\nAPT::Sandbox::User \"root\";\n",
        at("list"),
        at("lists"),
        at("cache")
    );
    sandbox.write("apt.conf", &config);
    let mut update = sandbox.command("apt-get");
    update.args(["update", "--quiet"]).env("APT_CONFIG", sandbox.work("apt.conf"));
    crate::bundler::sandbox::Ran::from(update.output().unwrap()).expect(0, &["update"]);

    let expand = |archive: &str| {
        let recipe = format!(
            "[vgpu]\nnode = \"node.json\"\ndriver = \"18.4\"\n[packages]\narchives = [\"{archive}\"]\n"
        );
        sandbox.write("bundle.toml", &recipe);
        let mut command = sandbox.bundler(&["expand"]);
        command.env("APT_CONFIG", sandbox.work("apt.conf"));
        crate::bundler::sandbox::Ran::from(command.output().unwrap())
    };
    let long = expand("debian").expect(0, &["expand"]).out;
    assert!(long.contains(&format!("mirror = \"{mirror}\"")), "{long}");
    let other = expand("pve-no-subscription").expect(1, &["expand"]);
    assert!(other.err.contains("no mirror of the archive `pve-no-subscription`"), "{other:?}");
    assert!(other.err.contains("hint: name one in `[packages]`"), "{other:?}");
}
