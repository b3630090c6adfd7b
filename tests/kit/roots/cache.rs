//! Pristine roots, made once for each state of the mirror.

#![expect(clippy::missing_panics_doc, reason = "a root that cannot be made fails the test")]

use std::fs::{self, File};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::process::{Command, Stdio};
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use vgpu_manifest::Digest;

use super::{Archive, Mirror, Release, Root};
use crate::scratch::expect;
use crate::skip;

/// The default folder of roots, unless `VGPU_ROOTS` names another.
const FOLDER: &str = "/var/cache/vgpu-offline-tests";

/// The subfolder of copies.
pub(super) const COPIES: &str = "copies";

/// A hook of `mmdebstrap` that merges `/usr` before packages are unpacked.
const MERGE_USR: &str = "for it in bin sbin lib lib32 lib64 libx32; do \
                             mkdir -p \"$1/usr/$it\" && ln -s \"usr/$it\" \"$1/$it\" || exit; done";

/// The age at which a copy is stale: no test runs that long.
const COPY_AGE: Duration = Duration::from_hours(24);

/// The folder of pristine roots.
#[derive(Debug)]
pub struct Roots {
    folder: Utf8PathBuf,
    mirror: Mirror,
}

/// An immutable root; it is not removed while this value exists.
#[derive(Debug)]
pub struct Pristine {
    release: Release,
    mirror: Mirror,
    archives: Vec<Archive>,
    folder: Utf8PathBuf,
    path: Utf8PathBuf,
    _lock: File,
}

/// Files that were downloaded or made for a root; they are not removed while this value exists.
#[derive(Debug)]
pub struct Files {
    path: Utf8PathBuf,
    _lock: File,
}

impl Files {
    /// Returns their folder.
    #[must_use]
    pub fn path(&self) -> &Utf8Path {
        &self.path
    }

    /// Returns the files, ordered by name.
    #[must_use]
    pub fn paths(&self) -> Vec<Utf8PathBuf> {
        let entries = self.path.read_dir_utf8().expect("a folder");
        let mut paths: Vec<_> = entries.map(|entry| entry.expect("a file").into_path()).collect();
        paths.sort();
        paths
    }
}

/// Packages that are installed on top of a pristine root and cached with it.
#[derive(Debug, Clone, Copy)]
pub struct Layer<'l> {
    /// The layer's name in the cache.
    pub name: &'l str,
    /// The packages to install, with their dependencies but without recommended packages.
    pub packages: &'l [&'l str],
}

impl Layer<'static> {
    /// A bootable host without GPU software: kernel, initramfs, systemd.
    pub const HOST: Self = Self {
        name: "host",
        packages: &[
            "linux-image-amd64",
            "initramfs-tools",
            "systemd-sysv",
            "udev",
            "pciutils",
            "kmod",
            "lvm2",
            "openssh-server",
            "ifupdown",
            "python3",
        ],
    };

    /// That host with everything needed to build a module for its kernel.
    pub const BUILDER: Self = Self {
        name: "builder",
        packages: &[
            "linux-image-amd64",
            "linux-headers-amd64",
            "initramfs-tools",
            "systemd-sysv",
            "udev",
            "pciutils",
            "dkms",
            "gcc",
            "make",
        ],
    };
}

impl Roots {
    /// Opens the roots of this machine. If they cannot be made here, prints the missing
    /// requirement.
    #[must_use]
    pub fn open() -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            return skip::without("root");
        }
        if !["mmdebstrap", "unshare", "gpg"].into_iter().all(skip::have) {
            return None;
        }
        let mirror = Mirror::of_machine()?;
        let folder = Self::folder();
        // The files become owned by root, so no other user may write here.
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder);
        made.unwrap_or_else(|error| panic!("{folder}: {error}"));
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).expect("a mode");
        let roots = Self { folder, mirror };
        roots.sweep_copies();
        Some(roots)
    }

    /// Returns the folder of roots.
    #[must_use]
    pub fn folder() -> Utf8PathBuf {
        std::env::var("VGPU_ROOTS").unwrap_or_else(|_| FOLDER.to_owned()).into()
    }

    /// Returns the mirror that they are made from.
    #[must_use]
    pub fn mirror(&self) -> &Mirror {
        &self.mirror
    }

    /// Returns the smallest root of a release in which apt works, from the current state of the
    /// mirror; made if necessary.
    ///
    /// If the mirror does not have the release, prints a message.
    #[must_use]
    pub fn pristine(&self, release: Release) -> Option<Pristine> {
        let Some(archives) = self.mirror.archives(release) else {
            let what = format!("a mirror of Debian {}", release.number());
            // The oldest release leaves the mirrors while Proxmox VE 7 is still in use.
            let is_oldest = release == Release::Debian11;
            return if is_oldest { skip::gone(&what) } else { skip::without(&what) };
        };
        let state: Vec<_> =
            archives.iter().flat_map(|it| it.in_release().unwrap_or_default()).collect();
        let codename = release.codename();
        let name = format!("{codename}-{}", short(&state));
        let (path, lock) = self.keep(&name, |partial| {
            bootstrap(&self.mirror, release, &archives, partial);
            self.sweep(&format!("{codename}-"), &name);
        });
        let (mirror, folder) = (self.mirror.clone(), self.folder.clone());
        Some(Pristine { release, mirror, archives, folder, path, _lock: lock })
    }

    /// Returns a pristine root with additional packages; made if necessary.
    #[must_use]
    pub fn layered(&self, release: Release, layer: Layer<'_>) -> Option<Pristine> {
        let below = self.pristine(release)?;
        let below_name = below.path.file_name().expect("a name");
        let packages = short(layer.packages.join(" ").as_bytes());
        let name = format!("{below_name}+{}-{packages}", layer.name);
        let (path, lock) = self.keep(&name, |partial| {
            copy(&below.path, partial);
            let root = Root::at_folder(partial, &below.mirror);
            root.connect();
            root.install(layer.packages);
            expect(root.online(&["apt-get", "clean"]), 0);
            root.disconnect();
        });
        Some(Pristine { path, _lock: lock, ..below })
    }

    /// Returns the package files that apt would download for these packages on a pristine root, in
    /// a cached folder; downloaded if necessary.
    #[must_use]
    pub fn files(&self, on: &Pristine, packages: &[&str]) -> Files {
        let below = on.path.file_name().expect("a name");
        let name = format!("{below}+files-{}", short(packages.join(" ").as_bytes()));
        let (path, lock) = self.keep(&name, |partial| {
            let root = on.fresh();
            root.connect();
            let words = ["apt-get", "--yes", "--quiet", "--no-install-recommends"];
            let more = ["--download-only", "install"];
            expect(root.online(&[&words[..], &more, packages].concat()), 0);
            fs::create_dir(partial).expect("a folder");
            let folder = root.at("/var/cache/apt/archives");
            for entry in folder.read_dir_utf8().expect("a folder").flatten() {
                if entry.path().extension() == Some("deb") {
                    fs::copy(entry.path(), partial.join(entry.file_name())).expect("a package");
                }
            }
        });
        Files { path, _lock: lock }
    }

    /// Returns the files that `make` derives from a pristine root by `recipe`, in a cached folder;
    /// made if necessary.
    #[must_use]
    pub fn derived(
        &self,
        from: &Pristine,
        name: &str,
        recipe: &str,
        make: impl FnOnce(&Utf8Path),
    ) -> Files {
        let below = from.path.file_name().expect("a name");
        let name = format!("{below}+{name}-{}", short(recipe.as_bytes()));
        let (path, lock) = self.keep(&name, |partial| {
            fs::create_dir(partial).expect("a folder");
            make(partial);
        });
        Files { path, _lock: lock }
    }

    /// Returns the folder `name`, which `make` fills if it does not exist, and the lock that
    /// retains it.
    fn keep(&self, name: &str, make: impl FnOnce(&Utf8Path)) -> (Utf8PathBuf, File) {
        let path = self.folder.join(name);
        let lock = File::create(self.folder.join(format!("{name}.lock"))).expect("a lock file");
        lock.lock_shared().expect("a lock");
        if !path.exists() {
            lock.unlock().expect("a lock");
            lock.lock().expect("a lock");
            // Another process may have made it in between.
            if !path.exists() {
                let partial = self.folder.join(format!("{name}.partial"));
                remove(&partial);
                make(&partial);
                fs::rename(&partial, &path).expect("a new root");
            }
            lock.lock_shared().expect("a lock");
        }
        (path, lock)
    }

    /// Removes the copies of killed tests.
    fn sweep_copies(&self) {
        let Ok(copies) = self.folder.join(COPIES).read_dir_utf8() else { return };
        for copy in copies.flatten() {
            let age = copy.metadata().and_then(|meta| meta.modified()).map(|time| time.elapsed());
            if age.is_ok_and(|age| age.is_ok_and(|age| age > COPY_AGE)) {
                remove(copy.path());
            }
        }
    }

    /// Removes unused roots of earlier states of the mirror.
    fn sweep(&self, prefix: &str, keep: &str) {
        for entry in self.folder.read_dir_utf8().expect("a folder").flatten() {
            let Some(name) = entry.file_name().strip_suffix(".lock") else { continue };
            if !name.starts_with(prefix) || name.starts_with(keep) {
                continue;
            }
            let lock = File::open(entry.path()).expect("a lock file");
            if lock.try_lock().is_ok() {
                remove(&self.folder.join(name));
                remove(&self.folder.join(format!("{name}.partial")));
            }
        }
    }
}

impl Pristine {
    /// Returns its release.
    #[must_use]
    pub fn release(&self) -> Release {
        self.release
    }

    /// Returns the suites that it was made from.
    #[must_use]
    pub fn archives(&self) -> &[Archive] {
        &self.archives
    }

    /// Returns its path, for reading only.
    #[must_use]
    pub fn path(&self) -> &Utf8Path {
        &self.path
    }

    /// Returns a writable copy, which is removed on drop.
    ///
    /// It is an overlay if this process may mount one (see [`super::with_own_mounts`]), else a full
    /// copy.
    #[must_use]
    pub fn fresh(&self) -> Root {
        Root::over(&self.path, &self.folder, &self.mirror)
    }
}

/// Makes the root of a release: packages with `Priority: required`, apt, and their dependencies.
fn bootstrap(mirror: &Mirror, release: Release, archives: &[Archive], path: &Utf8Path) {
    let settings = tempfile::NamedTempFile::new().expect("a temporary file");
    fs::write(settings.path(), mirror.settings()).expect("settings of apt");
    let mut command = Command::new("mmdebstrap");
    command.args(["--quiet", "--mode=root", "--variant=minbase", "--format=directory"]);
    if release == Release::Debian11 {
        // Debian's own installer merges /usr too, and so does Proxmox VE 7.
        command.arg(format!("--setup-hook={MERGE_USR}"));
    }
    command.arg(format!("--aptopt={}", settings.path().display()));
    command.args([release.codename(), path.as_str()]);
    command.args(archives.iter().map(|archive| archive.line(mirror.keyring())));
    command.stdin(Stdio::null());
    expect(command, 0);
    // Remove the build machine's settings, and prevent packages from starting services.
    for file in ["etc/apt/apt.conf.d/99mmdebstrap", "etc/resolv.conf"] {
        let _ = fs::remove_file(path.join(file));
    }
    fs::write(path.join("etc/hostname"), "node\n").expect("a host name");
    let policy = path.join("usr/sbin/policy-rc.d");
    fs::write(&policy, "#!/bin/sh\nexit 101\n").expect("a policy");
    fs::set_permissions(&policy, fs::Permissions::from_mode(0o755)).expect("a mode");
}

/// Copies a whole tree with all attributes, sharing blocks if the file system supports it.
pub(super) fn copy(from: &Utf8Path, to: &Utf8Path) {
    let mut command = Command::new("cp");
    command.args(["--archive", "--reflink=auto", from.as_str(), to.as_str()]);
    expect(command, 0);
}

/// Removes a tree, if it exists.
pub(super) fn remove(path: &Utf8Path) {
    if path.exists() {
        fs::remove_dir_all(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    }
}

fn short(bytes: &[u8]) -> String {
    Digest::of(bytes).to_string()[..12].to_owned()
}
