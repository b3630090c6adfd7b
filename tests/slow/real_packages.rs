//! At least 1 GiB of the machine's own Debian packages, and an incompressible file, through the
//! whole pipeline: build, co-sign, verify, stage, extract. Every digest is upstream's.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::process::{Command, Stdio};

use camino::{Utf8Path, Utf8PathBuf};
use vgpu_manifest::{Digest, Measure};
use vgpu_tests::nodes::Node;
use vgpu_tests::scratch::{Scratch, expect, fingerprint};

/// Typical content of bundles: kernels, headers, compilers, firmware. Patterns, because names
/// include versions; up to four packages of each are used.
const WANTED: [&str; 5] = [
    "^linux-image-[0-9.]+-[0-9]+-amd64$",
    "^linux-headers-[0-9.]+-[0-9]+-(amd64|common)$",
    "^(gcc|g\\+\\+|cpp)-1[0-9]$",
    "^(rustc|libstd-rust-dev|clang-1[0-9]|llvm-1[0-9]-dev|libllvm1[0-9])$",
    "^firmware-",
];

/// Large packages, to reach the required size.
const FILLERS: [&str; 2] = ["^linux-image-[0-9.]+-[0-9]+-amd64-dbg$", "^libreoffice-core$"];

const ENOUGH: u64 = 1 << 30;

/// A package of the mirror, with the data of its index.
struct Package {
    name: String,
    version: String,
    size: u64,
    sha256: Digest,
}

#[test]
fn a_gib_of_real_packages_through_the_whole_line() {
    let scratch = Scratch::new(env!("CARGO_BIN_EXE_demo"));
    scratch.node(Node::TeslaT4);
    let folder = scratch.path("laptop/apt");
    fs::create_dir_all(&folder).unwrap();
    let files = download(&folder);
    let total: u64 = files.values().map(|(size, _)| size).sum();
    eprintln!("{} packages, {} MiB", files.len(), total >> 20);
    assert!(total >= ENOUGH, "only {total} bytes of packages could be had");
    noise(&scratch.path("laptop/noise.bin"), ENOUGH);

    let mut recipe = String::from("[bundle]\nname = \"real\"\nchannel = \"stable\"\n");
    for (name, (_, sha256)) in &files {
        let item = name.replace(':', "%3a").replace("%3A", "%3a");
        writeln!(
            recipe,
            "\n[[file]]\nname = \"apt/{item}\"\npath = \"apt/{name}\"\nsha256 = \"{sha256}\""
        )
        .unwrap();
    }
    recipe.push_str("\n[[file]]\nname = \"noise.bin\"\npath = \"noise.bin\"\n");
    scratch.write("bundle.toml", recipe);
    expect(scratch.bundler(&["build"]), 0);

    // A second principal signs, and from then on both signatures are required.
    let bundle = scratch.path("laptop/real-1.vgpu.tar");
    let bob = scratch.path("bob");
    keygen(&bob);
    expect(scratch.bundler(&["sign", bundle.as_str(), "--key", bob.as_str()]), 0);
    let public = Utf8PathBuf::from(format!("{bob}.pub"));
    expect(
        scratch.installer(&[
            "trust",
            "add",
            public.as_str(),
            "--principal",
            "bob",
            "--threshold",
            "2",
            "--fingerprint",
            &fingerprint(&public),
        ]),
        0,
    );
    expect(scratch.installer(&["verify", "--deep", bundle.as_str()]), 0);
    // The host needs nothing from it except the program itself, so no reboot is required.
    expect(scratch.installer(&["apply", "--yes", bundle.as_str()]), 0);

    let out = scratch.path("out");
    expect(scratch.bundler(&["extract", bundle.as_str(), "-o", out.as_str()]), 0);
    for (name, (size, sha256)) in &files {
        let item = name.replace(':', "%3a").replace("%3A", "%3a");
        let measured = Measure::of(&mut File::open(out.join("apt").join(item)).unwrap()).unwrap();
        assert_eq!((measured.size, measured.sha256), (*size, *sha256), "{name}");
    }
    let noise = |path: Utf8PathBuf| Measure::of(&mut File::open(path).unwrap()).unwrap();
    assert_eq!(noise(out.join("noise.bin")), noise(scratch.path("laptop/noise.bin")));
    staged(&scratch.path("node/var/lib/vgpu-offline/store"), files.len() + 1);
}

/// Checks that the store has every item, named after its digest.
fn staged(store: &Utf8Path, items: usize) {
    let names: Vec<_> =
        store.read_dir_utf8().unwrap().map(|entry| entry.unwrap().file_name().to_owned()).collect();
    assert!(names.len() >= items, "{} items staged: {names:?}", names.len());
    for name in names.iter().filter(|name| name.starts_with("sha256-")) {
        let measured = Measure::of(&mut File::open(store.join(name)).unwrap()).unwrap();
        assert_eq!(format!("sha256-{}", measured.sha256), *name);
    }
}

/// Downloads packages up to the required size; returns their files by name, with the size and
/// digest of the index.
fn download(folder: &Utf8Path) -> BTreeMap<String, (u64, Digest)> {
    let mut files = BTreeMap::new();
    let mut total = 0;
    let wanted = WANTED.iter().map(|pattern| (pattern, u64::MAX));
    for (pattern, limit) in wanted.chain(FILLERS.iter().map(|pattern| (pattern, ENOUGH))) {
        for package in candidates(pattern) {
            if total >= limit {
                return files;
            }
            let before = names(folder);
            let Package { name, version, size, sha256 } = package;
            let status = Command::new("apt-get")
                .args(["download", "-q", &format!("{name}={version}")])
                .current_dir(folder)
                .stdout(Stdio::null())
                .status()
                .unwrap();
            assert!(status.success(), "cannot download {name}");
            let new = names(folder).into_iter().find(|name| !before.contains(name));
            if let Some(file) = new {
                total += size;
                files.insert(file, (size, sha256));
            }
        }
    }
    files
}

fn names(folder: &Utf8Path) -> Vec<String> {
    let entries = folder.read_dir_utf8().unwrap();
    entries.map(|entry| entry.unwrap().file_name().to_owned()).collect()
}

/// Returns the packages whose name matches `pattern`, the largest first, at most four.
fn candidates(pattern: &str) -> Vec<Package> {
    let search = output("apt-cache", &["search", "--names-only", pattern]);
    let names = search.lines().filter_map(|line| line.split(' ').next());
    let mut packages: Vec<_> = names.filter_map(show).collect();
    packages.sort_by_key(|package| std::cmp::Reverse(package.size));
    packages.truncate(4);
    packages
}

fn show(name: &str) -> Option<Package> {
    let text = output("apt-cache", &["show", "--no-all-versions", name]);
    let field = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
        line.map(str::to_owned)
    };
    Some(Package {
        name: name.to_owned(),
        version: field("Version")?,
        size: field("Size")?.parse().ok()?,
        sha256: field("SHA256")?.parse().ok()?,
    })
}

fn output(program: &str, words: &[&str]) -> String {
    let output = Command::new(program).args(words).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

fn keygen(path: &Utf8Path) {
    let words = ["-q", "-t", "ed25519", "-N", "", "-C", "bob", "-f", path.as_str()];
    assert!(Command::new("ssh-keygen").args(words).status().unwrap().success());
}

/// Writes `size` random bytes from the kernel, which do not compress.
fn noise(path: &Utf8Path, size: u64) {
    use std::io::Read;

    let mut from = File::open("/dev/urandom").unwrap().take(size);
    std::io::copy(&mut from, &mut File::create(path).unwrap()).unwrap();
}
