//! A host at a stage of an installation, and damage to it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};

use camino::{Utf8Path, Utf8PathBuf};
use tempfile::TempDir;
use vgpu_manifest::platform::BootLoader;
use vgpu_manifest::{Digest, Item, ItemFields, ItemMode, Manifest, Mode};

use super::super::*;
use crate::component::Component;
use crate::host::{Content, Exec, OwnState, RealHost};
use crate::journal::KeptThing;
use crate::locked_host::LockedHost;
use crate::plan::tests::planner::manifest;
use crate::plan::{Origin, Phase, Plan};
use crate::state::fixed;
use crate::step::{KernelCommandLine, ModprobeOptions, PlaceFile, PlaceItem, Step};
use crate::store::Bundles;
use crate::trust::{self, Candidate, Floors};

pub(super) const STATE: &str = "var/lib/vgpu-offline";
pub(super) const ITEM: &str = "an item of the bundle\n";

/// The moment of the damage. The interrupted ones are copies of the folder in the middle of a run, as a
/// power cut leaves it, with SQLite's files as they were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Trusted,
    CutApply,
    Phase1,
    Phase2,
    CutRevert,
}

pub(super) const STAGES: [Stage; 5] =
    [Stage::Trusted, Stage::CutApply, Stage::Phase1, Stage::Phase2, Stage::CutRevert];

/// The kind of damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Removed,
    Emptied,
    Truncated,
    Flipped,
    Noise,
    Folder,
    Pipe,
    Owner,
    Neighbor,
}

pub(super) const WAYS: [Way; 9] = [
    Way::Removed,
    Way::Emptied,
    Way::Truncated,
    Way::Flipped,
    Way::Noise,
    Way::Folder,
    Way::Pipe,
    Way::Owner,
    Way::Neighbor,
];

pub(super) struct Scene {
    dir: TempDir,
}

impl Scene {
    pub(super) fn new() -> Self {
        let scene = Self { dir: folder() };
        for (path, text) in [
            ("etc/default/grub", "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\n"),
            ("etc/kernel/cmdline", "root=ZFS=rpool/ROOT/pve-1 boot=zfs\n"),
            ("etc/target.conf", "what was there before\n"),
            ("proc/sys/kernel/random/boot_id", "first\n"),
        ] {
            scene.write(path, text);
        }
        scene
    }

    pub(super) fn root(&self) -> Utf8PathBuf {
        Utf8PathBuf::from_path_buf(self.dir.path().to_owned()).unwrap()
    }

    pub(super) fn write(&self, path: &str, text: &str) {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(super) fn host(&self) -> RealHost {
        RealHost::open(&self.root(), Exec::Record).unwrap()
    }

    pub(super) fn target(&self) -> Target {
        Target::of(self.host(), Exec::Record, self.root())
    }

    pub(super) fn copy(&self) -> Self {
        let other = Self { dir: folder() };
        copy(self.root().as_std_path(), other.dir.path());
        other
    }

    /// Returns the host at this stage.
    pub(super) fn at(stage: Stage) -> Self {
        let scene = Self::new();
        let mut host = scene.host();
        let mut own = OwnState::of(&mut host);
        own.prepare().unwrap();
        let mut floors = Floors::default();
        floors.set(&"stable".parse().unwrap(), 3);
        floors.save(&mut own).unwrap();
        trust::record(&mut own, "trusted").unwrap();
        if stage == Stage::Trusted {
            return scene;
        }
        let bundle = Digest::of(b"x");
        let text = manifest_text();
        fs::write(scene.root().join(STATE).join(format!("manifest-{bundle}.json")), text).unwrap();
        Bundles::load(&host).save(&mut OwnState::of(&mut host)).unwrap();
        for record in ["resume", "guard", "driver", "seen"] {
            scene.write(&format!("{STATE}/{record}.json"), "{}");
        }
        scene.restore_item();

        let mut locked = patiently(|| Ok(LockedHost::make(scene.host())?)).unwrap();
        let origin =
            || Origin { bundle, boot: crate::journal::BootId("first\n".trim().to_owned()) };
        let mut cut = None;
        locked
            .apply(&origin(), &plan(), Phase::First, &mut |_| {
                if stage == Stage::CutApply && scene.root().join("usr/share/new/item").exists() {
                    cut.get_or_insert_with(|| scene.copy());
                }
            })
            .unwrap();
        drop(locked);
        match stage {
            Stage::CutApply => return cut.unwrap(),
            Stage::Phase1 => return scene,
            _ => {}
        }
        scene.write("proc/sys/kernel/random/boot_id", "second\n");
        let mut locked = scene.find().unwrap().unwrap();
        let origin = Origin { boot: locked.boot().unwrap(), ..origin() };
        locked.apply(&origin, &plan(), Phase::Second, &mut |_| {}).unwrap();
        let candidate = Candidate { channel: "stable".parse().unwrap(), sequence: 5, bundle };
        floors.prove(&candidate);
        floors.save(&mut OwnState::of(locked.host())).unwrap();
        if stage == Stage::Phase2 {
            return scene;
        }
        let mut events = 0;
        locked
            .revert_all(&mut |_| {
                events += 1;
                if events == 3 {
                    cut = Some(scene.copy());
                }
            })
            .unwrap();
        cut.unwrap()
    }

    /// Does what `store add` does.
    pub(super) fn restore_item(&self) {
        let content = Content::of(ITEM.as_bytes());
        let path = self.root().join(STATE).join("store").join(content.id.to_string());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let _ = fs::remove_dir_all(&path);
        fs::write(path, ITEM).unwrap();
        let bundle = Digest::of(b"x");
        let text = manifest_text();
        fs::write(self.root().join(STATE).join(format!("manifest-{bundle}.json")), text).unwrap();
    }

    /// Returns all files of the installer's own state.
    pub(super) fn files(&self) -> Vec<Utf8PathBuf> {
        let mut files = Vec::new();
        let mut todo = vec![self.root().join(STATE)];
        while let Some(dir) = todo.pop() {
            for entry in dir.read_dir_utf8().unwrap() {
                let path = entry.unwrap().into_path();
                if path.is_dir() {
                    todo.push(path);
                } else {
                    files.push(path.strip_prefix(self.root()).unwrap().to_owned());
                }
            }
        }
        files.sort();
        files
    }

    pub(super) fn findings(&self) -> Vec<Finding> {
        patiently(|| damage(&self.target(), Depth::Bytes)).unwrap()
    }

    pub(super) fn find(&self) -> anyhow::Result<Option<LockedHost>> {
        patiently(|| Ok(LockedHost::find(self.host())?))
    }

    /// Follows the commands of `repair` until nothing is damaged, and returns those that worked.
    pub(super) fn repair(&self) -> Vec<String> {
        let mut followed = Vec::new();
        for _ in 0..8 {
            let findings = self.findings();
            let Some(finding) = findings.first() else { return followed };
            let worked = finding.ways.iter().find(|way| {
                self.follow(way, finding);
                !self.findings().contains(finding)
            });
            let worked = worked.unwrap_or_else(|| panic!("no way works: {finding:?}"));
            followed.push(worked.clone());
        }
        panic!("always something new: {:?}", self.findings());
    }

    /// Runs a command that a finding names.
    pub(super) fn follow(&self, command: &str, finding: &Finding) {
        let words: Vec<&str> = command.split(' ').collect();
        match words[..] {
            ["vgpu-installer", "repair", "--heal"] => {
                let findings = self.findings();
                patiently(|| heal(&self.target(), &findings).map(drop)).unwrap();
            }
            ["vgpu-installer", "repair", "--give-up", path] => {
                assert_eq!(path, finding.path.as_path().as_str());
                assert!(!finding.lost.is_empty(), "the loss is not named: {finding:?}");
                patiently(|| give_up(&self.target(), finding)).unwrap();
            }
            ["vgpu-installer", "store", "add", "BUNDLE"] => self.restore_item(),
            ["chown", "root:root", path] => {
                let path = self.root().join(path.trim_start_matches('/'));
                std::os::unix::fs::chown(path, Some(0), Some(0)).unwrap();
            }
            _ => panic!("unknown command: {command}"),
        }
    }

    /// Reverts everything, and returns the paths that were kept.
    pub(super) fn revert(&self) -> Vec<String> {
        let Some(mut locked) = self.find().unwrap() else { return Vec::new() };
        let kept = locked.revert_all(&mut |_| {}).unwrap();
        let path = |kept: crate::journal::Kept| match kept.what {
            KeptThing::Path(path) => path.to_string(),
            KeptThing::Named { name, .. } => name,
        };
        kept.into_iter().map(path).collect()
    }

    /// Returns the contents of the folder, without the installer's own state.
    pub(super) fn tree(&self) -> BTreeMap<String, String> {
        let mut tree = BTreeMap::new();
        let mut todo = vec![self.root()];
        while let Some(dir) = todo.pop() {
            for entry in dir.read_dir_utf8().unwrap() {
                let path = entry.unwrap().into_path();
                let name = path.strip_prefix(self.root()).unwrap().to_string();
                if name == "var" || name == "proc" {
                    continue;
                }
                let mode = fs::symlink_metadata(&path).unwrap().mode();
                let text =
                    if path.is_dir() { String::new() } else { fs::read_to_string(&path).unwrap() };
                tree.insert(format!("/{name}"), format!("{mode:o} {text}"));
                todo.extend(path.is_dir().then_some(path));
            }
        }
        tree
    }

    /// Damages a file.
    pub(super) fn damage(&self, file: &Utf8Path, way: Way) {
        let path = self.root().join(file);
        let bytes = fs::read(&path).unwrap();
        let place = |bytes: &[u8]| fs::write(&path, bytes).unwrap();
        match way {
            Way::Removed => fs::remove_file(path).unwrap(),
            Way::Emptied => place(b""),
            Way::Truncated => place(&bytes[..bytes.len() / 2]),
            Way::Flipped => {
                let mut bytes = bytes;
                let middle = bytes.len() / 2;
                if let Some(byte) = bytes.get_mut(middle) {
                    *byte ^= 0x10;
                }
                place(&bytes);
            }
            Way::Noise => place(&noise(bytes.len())),
            Way::Folder => {
                fs::remove_file(&path).unwrap();
                fs::create_dir(&path).unwrap();
                fs::write(path.join("x"), "x").unwrap();
            }
            Way::Pipe => {
                fs::remove_file(&path).unwrap();
                pipe(&path);
            }
            Way::Owner => std::os::unix::fs::chown(path, Some(12345), Some(12345)).unwrap(),
            Way::Neighbor => {
                let name = std::ffi::OsStr::from_bytes(b"caf\xe9");
                fs::write(path.parent().unwrap().as_std_path().join(name), "x").unwrap();
            }
        }
    }
}

/// Returns a folder in memory, where there is one: thousands of syncs take minutes on a disk.
pub(super) fn folder() -> TempDir {
    let memory = tempfile::tempdir_in("/dev/shm");
    memory.or_else(|_| tempfile::tempdir()).unwrap()
}

/// Returns the manifest of the applied bundle.
pub(super) fn manifest_text() -> Vec<u8> {
    let fields = ItemFields {
        name: "an/item".parse().unwrap(),
        size: ITEM.len() as u64,
        mode: ItemMode::Plain,
        sha256: Digest::of(ITEM.as_bytes()),
        chunks: Vec::new(),
        kind: vgpu_manifest::Kind::Plain,
        base: None,
        origin: vgpu_manifest::Origin::File,
    };
    let items = vec![Item::new(fields).unwrap()];
    Manifest { items, ..manifest("{}") }.to_bytes().unwrap()
}

pub(super) fn plan() -> Plan {
    let place = |path: &str, text: &str| {
        let (path, text) = (fixed(path), text.to_owned());
        Step::PlaceFile(PlaceFile { path, mode: Mode::FILE, text, component: Component::Shared })
    };
    let before = vec![
        place("/etc/target.conf", "what comes after\n"),
        Step::PlaceItem(PlaceItem {
            item: "an/item".parse().unwrap(),
            content: Content::of(ITEM.as_bytes()),
            path: fixed("/usr/share/new/item"),
            mode: Mode::FILE,
            component: Component::Shared,
        }),
        Step::ModprobeOptions(ModprobeOptions { lines: vec!["blacklist x".parse().unwrap()] }),
        Step::KernelCommandLine(KernelCommandLine {
            words: vec!["iommu=pt".parse().unwrap()],
            loaders: vec![BootLoader::Grub, BootLoader::SystemdBoot],
        }),
    ];
    Plan::new(before, vec![place("/etc/second.conf", "phase 2\n")])
}

pub(super) fn copy(from: &std::path::Path, to: &std::path::Path) {
    for entry in fs::read_dir(from).unwrap() {
        let (entry, kind) = entry.map(|it| (it.path(), it.file_type().unwrap())).unwrap();
        let other = to.join(entry.file_name().unwrap());
        if kind.is_dir() {
            fs::create_dir(&other).unwrap();
            copy(&entry, &other);
        } else if !kind.is_fifo() {
            fs::copy(&entry, &other).unwrap();
        }
        fs::set_permissions(&other, entry.metadata().unwrap().permissions()).unwrap();
    }
}

pub(super) fn noise(size: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..size).map(|_| next()).collect()
}

pub(super) fn pipe(path: &Utf8Path) {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    mknodat(CWD, path.as_std_path(), FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
}

/// Repeats an attempt while the lock is held. A process that another test starts has all open files
/// until it runs its program, so this process may find its own lock held for a moment.
pub(super) fn patiently<T>(mut attempt: impl FnMut() -> anyhow::Result<T>) -> anyhow::Result<T> {
    for _ in 0..200 {
        match attempt() {
            Err(error) if error.to_string().starts_with("another vgpu-installer") => {
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            result => return result,
        }
    }
    attempt()
}

pub(super) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
