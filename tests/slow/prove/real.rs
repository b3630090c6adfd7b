//! NVIDIA's own kernel modules, from Debian's packages of them: a combination that builds, one that
//! does not, and modules with symbols that nothing exports.
//!
//! The packages are downloaded when a test runs, and the stand-in's installer builds their modules.
//! Only `nvidia` is built, and `nvidia-modeset`, which takes symbols from it: the others only cost
//! time, and NVIDIA's `Makefile` has a variable that leaves them out.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::Value;
use vgpu_tests::memory::peak_of;
use vgpu_tests::nvidia::{Compression, StandIn};
use vgpu_tests::roots::{Mirror, Release};
use vgpu_tests::scratch::expect;
use vgpu_tests::skip::{have, without};

use super::laptop::{Driver, Laptop, replace};

/// The most memory of `vgpu-bundler` itself, in KiB.
const BAR: u64 = 64 << 10;

/// A release of vGPU with the version of a package, which the catalog cannot have.
const ROW: &str = r#"
[[evidence]]
id = "debian-non-free"
kind = "read"
source = "a package of Debian with NVIDIA's modules"
says = "its version"

[[drivers]]
release = "16.99"
host = "@VERSION@"
file = "NVIDIA-Linux-x86_64-@VERSION@-vgpu-kvm.run"
linux_guest = "@VERSION@"
windows_guest = "538.95"
kernels = [{ range = "5.15-", build = "unproven", why = "no-word-5.15" }]
evidence = ["debian-non-free"]
"#;

/// An unpacked tree with NVIDIA's modules.
struct Tree {
    _folder: tempfile::TempDir,
    path: Utf8PathBuf,
    version: String,
}

impl Tree {
    /// Downloads and unpacks a package of Debian 12 with NVIDIA's modules.
    fn of(mirror: &Mirror, package: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let at = Utf8Path::from_path(folder.path()).unwrap();
        let Some(file) = mirror.package(Release::Debian12, "non-free", package, at) else {
            return without(&format!("{package} of Debian 12, component non-free"));
        };
        let out = at.join("unpacked");
        let mut unpack = Command::new("dpkg-deb");
        unpack.args(["--extract", file.as_str(), out.as_str()]);
        expect(unpack, 0);
        let entry = out.join("usr/src").read_dir_utf8().unwrap().next().unwrap().unwrap();
        // `nvidia-tesla-535-535.216.03`
        let version = entry.file_name().rsplit('-').next().unwrap().to_owned();
        Some(Self { path: entry.into_path(), _folder: folder, version })
    }

    /// Returns a laptop with a recipe for it, and with a row of the catalog: no release of vGPU has
    /// exactly this version.
    fn laptop(&self, mirror: &Mirror, debian: Release) -> Option<Laptop> {
        let driver = Driver { version: &self.version, release: "16.99" };
        let laptop = Laptop::new(mirror, debian, driver, "")?;
        laptop.write("catalog.d/real.toml", ROW.replace("@VERSION@", &self.version).as_bytes());
        Some(laptop)
    }

    /// Writes the package of the recipe, with some of the modules.
    fn write(&self, laptop: &Laptop, modules: &[&str], change: &dyn Fn(&Utf8Path)) {
        // Roots without zstd and xz have gzip.
        let stand_in = StandIn { compression: Compression::Gzip, ..StandIn::host(&self.version) };
        let wrap = |root: &Utf8Path| {
            let kernel = root.join("kernel");
            fs::remove_dir_all(&kernel)?;
            let mut copy = Command::new("cp");
            copy.args(["--archive", self.path.as_str(), kernel.as_str()]);
            expect(copy, 0);
            fs::write(kernel.join("dkms.conf"), self.conf(modules))?;
            change(&kernel);
            io::Result::Ok(())
        };
        stand_in.write_with(&laptop.path("host.run"), &wrap).unwrap();
    }

    /// Returns a `dkms.conf` for some of the modules. The quotes around `make` keep DKMS from adding
    /// `KERNELRELEASE`, by which NVIDIA's `Makefile` recognizes that the kernel's has called it.
    fn conf(&self, modules: &[&str]) -> String {
        let all = ["nvidia", "nvidia-uvm", "nvidia-modeset", "nvidia-drm", "nvidia-peermem"];
        let out: Vec<_> = all.into_iter().filter(|it| !modules.contains(it)).collect();
        let (version, out) = (&self.version, out.join(" "));
        let jobs = std::thread::available_parallelism().unwrap();
        let mut text = format!(
            "PACKAGE_NAME=\"nvidia\"\nPACKAGE_VERSION=\"{version}\"\nAUTOINSTALL=\"yes\"\n\
             MAKE[0]=\"'make' -j{jobs} NV_EXCLUDE_KERNEL_MODULES='{out}' \
             KERNEL_UNAME=${{kernelver}} modules\"\n"
        );
        for (index, name) in modules.iter().enumerate() {
            write!(
                text,
                "BUILT_MODULE_NAME[{index}]=\"{name}\"\n\
                 DEST_MODULE_LOCATION[{index}]=\"/kernel/drivers/video\"\n"
            )
            .unwrap();
        }
        text
    }
}

fn mirror() -> Option<Mirror> {
    let tools = ["mmdebstrap", "unshare", "gpgv", "dpkg-deb"];
    if tools.into_iter().all(have) { Mirror::of_machine() } else { None }
}

#[test]
fn the_535_builds_for_6_1_and_a_module_without_its_parent_does_not() {
    let Some(mirror) = mirror() else { return };
    let Some(tree) = Tree::of(&mirror, "nvidia-tesla-535-kernel-dkms") else { return };
    let Some(laptop) = tree.laptop(&mirror, Release::Debian12) else { return };

    tree.write(&laptop, &["nvidia", "nvidia-modeset"], &|_| {});
    laptop.lock();
    let (said, proof) = measured(&laptop);
    let names: Vec<_> =
        proof["module"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["nvidia", "nvidia_modeset"]);
    let kernel = proof["kernel"].as_str().unwrap();
    assert!(kernel.starts_with("6.1.") && kernel.ends_with("-amd64"), "{kernel}");
    let built = format!("driver {}: built for {kernel} on the laptop", tree.version);
    assert!(said.contains(&built), "{said}");

    // One module needs another that is not there: `modpost` says so.
    tree.write(&laptop, &["nvidia-modeset"], &|_| {});
    laptop.lock();
    let said = laptop.prove(4).err;
    assert!(said.contains("does not build for kernel 6.1."), "{said}");
    let symbol = "`nvidia-modeset.ko` needs the symbol `nvidia_register_module`, which neither";
    assert!(said.contains(symbol), "{said}");

    // Where `modpost` only warns, `prove` itself does.
    tree.write(&laptop, &["nvidia-modeset"], &|kernel| {
        replace(&kernel.join("dkms.conf"), "modules\"", "KBUILD_MODPOST_WARN=1 modules\"").unwrap();
    });
    laptop.lock();
    let said = laptop.prove(4).err;
    let symbol = "`nvidia-modeset.ko` needs the symbol `nvidia_get_rm_ops`: neither kernel 6.1.";
    assert!(said.contains(symbol), "{said}");
}

/// Proves the locked driver within the memory bar, and prints the time of the build; returns what
/// that printed, and the proof.
fn measured(laptop: &Laptop) -> (String, Value) {
    let out = laptop.path("out");
    let began = Instant::now();
    let mut command = laptop.proving();
    command.stdout(File::create(&out).unwrap()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let said = thread::spawn(move || {
        lines.map(|line| (began.elapsed(), line.unwrap())).collect::<Vec<_>>()
    });
    let peak = peak_of(&mut child);
    let (whole, said) = (began.elapsed(), said.join().unwrap());
    let err: String = said.iter().flat_map(|(_, line)| [line.as_str(), "\n"]).collect();
    let peak = peak.unwrap_or_else(|error| panic!("{error}: {err}{}", laptop.end()));
    let step = said.iter().position(|(_, line)| line.contains("] install the driver ")).unwrap();
    let build = said[step + 1].0.saturating_sub(said[step].0);
    eprintln!(
        "proved in {} s, of which the driver's installer took {} s; {peak} KiB at its peak:\n{err}",
        whole.as_secs(),
        build.as_secs()
    );
    assert!(peak <= BAR, "{peak} KiB at its peak");
    let report: Value = serde_json::from_str(&fs::read_to_string(out).unwrap()).unwrap();
    (err, report["proof"].clone())
}

#[test]
fn the_470_does_not_build_for_6_12_and_the_first_error_is_told() {
    let Some(mirror) = mirror() else { return };
    let Some(tree) = Tree::of(&mirror, "nvidia-tesla-470-kernel-dkms") else { return };
    let Some(laptop) = tree.laptop(&mirror, Release::Debian13) else { return };
    tree.write(&laptop, &["nvidia", "nvidia-modeset"], &|_| {});
    laptop.lock();
    let said = laptop.prove(4).err;
    let head = format!("driver {} does not build for kernel 6.", tree.version);
    let (_, cause) = said.split_once(&head).unwrap_or_else(|| panic!("{said}"));
    let cause = cause.lines().next().unwrap();

    // It is the first error of the compiler in the log.
    let log = laptop.log();
    let first = log.lines().find(|line| line.contains(": error: ")).unwrap();
    let (place, message) = first.split_once(": error: ").unwrap();
    assert!(cause.ends_with(&format!(": {message}")), "{cause}: {first}");
    // The line is that of the source, and has the name that the message quotes.
    let [file, line, _column] = place.split(':').collect::<Vec<_>>()[..] else { panic!("{first}") };
    let file = file.split_once("/build/").unwrap().1;
    assert!(cause.contains(&format!("`{file}` line {line}: ")), "{cause}: {first}");
    let name = message.split('\'').nth(1).unwrap();
    let source = fs::read_to_string(tree.path.join(file)).unwrap();
    let text = source.lines().nth(line.parse::<usize>().unwrap() - 1).unwrap();
    assert!(text.contains(name), "{file} line {line}: {text}");
}
