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
        Some(Self { debian, proxmox })
    }

    /// Returns the flags that select these archives.
    fn flags(&self) -> Vec<String> {
        let each = [("bookworm", &self.debian, "debian"), ("pve", &self.proxmox, "proxmox")];
        let flags = each.into_iter().flat_map(|(name, archive, file)| {
            let mirror = format!("--mirror={name}=file:{} bookworm main", archive.root.display());
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

#[test]
fn the_recipe_of_a_node_locks_what_it_lacks() {
    let sandbox = sandbox("tesla-t4");
    let Some(archives) = Archives::new(&sandbox) else { return };
    init(&sandbox, &archives.flags());
    // The driver is a file that does not exist here.
    let recipe = sandbox.read("bundle.toml").replace("[[driver]]", "[[file]]");
    let path = recipe.lines().find_map(|line| line.strip_prefix("path = \"inputs/")).unwrap();
    std::fs::create_dir(sandbox.work("inputs")).unwrap();
    sandbox.write(&format!("inputs/{}", path.trim_end_matches('"')), "a driver\n");
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

#[test]
fn an_archive_without_keys_is_refused_until_it_has_them() {
    let sandbox = sandbox("tesla-t4");
    let said = init(&sandbox, &["--accept-mirrors".to_owned()]);
    assert!(said.contains("the signing keys of `bookworm`, `bookworm-security`, `pve-enterprise`"));
    let error = sandbox.fails(1, &["lock"]);
    assert!(error.contains("`bookworm` needs `keyring`, a file with the keys"), "{error}");
    // Keys of another archive are rejected.
    let Some(archives) = Archives::new(&sandbox) else { return };
    let mut flags = archives.flags();
    flags[1] = format!("--archive-key=bookworm=debian.gpg={}", archives.proxmox.fingerprint());
    std::fs::remove_file(sandbox.work("bundle.toml")).unwrap();
    init(&sandbox, &flags);
    let error = sandbox.fails(1, &["lock"]);
    assert!(error.contains("the keyring `debian.gpg` has no key "), "{error}");
}
