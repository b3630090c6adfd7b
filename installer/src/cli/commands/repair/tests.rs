//! Damage to every file of the installer's own state, at every stage, in every way: each has a way
//! out that is named and that works.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests damage the folder from outside"
)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};

use camino::{Utf8Path, Utf8PathBuf};
use tempfile::TempDir;
use vgpu_manifest::platform::BootLoader;
use vgpu_manifest::{Digest, Item, ItemFields, ItemMode, Manifest, Mode};

use super::*;
use crate::component::Component;
use crate::host::{Content, Exec, OwnState, RealHost};
use crate::journal::{KeptThing, TxState};
use crate::locked_host::LockedHost;
use crate::plan::tests::planner::manifest;
use crate::plan::{Origin, Phase, Plan};
use crate::state::{self, fixed};
use crate::step::{KernelCommandLine, ModprobeOptions, PlaceFile, PlaceItem, Step};
use crate::store::Bundles;
use crate::trust::{self, Candidate, Floors};

const STATE: &str = "var/lib/vgpu-offline";
const ITEM: &str = "an item of the bundle\n";

/// The moment of the damage. The interrupted ones are copies of the folder in the middle of a run, as a
/// power cut leaves it, with SQLite's files as they were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Trusted,
    CutApply,
    Phase1,
    Phase2,
    CutRevert,
}

const STAGES: [Stage; 5] =
    [Stage::Trusted, Stage::CutApply, Stage::Phase1, Stage::Phase2, Stage::CutRevert];

/// The kind of damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
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

const WAYS: [Way; 9] = [
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

struct Scene {
    dir: TempDir,
}

impl Scene {
    fn new() -> Self {
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

    fn root(&self) -> Utf8PathBuf {
        Utf8PathBuf::from_path_buf(self.dir.path().to_owned()).unwrap()
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn host(&self) -> RealHost {
        RealHost::open(&self.root(), Exec::Record).unwrap()
    }

    fn target(&self) -> Target {
        Target::of(self.host(), Exec::Record, self.root())
    }

    fn copy(&self) -> Self {
        let other = Self { dir: folder() };
        copy(self.root().as_std_path(), other.dir.path());
        other
    }

    /// Returns the host at this stage.
    fn at(stage: Stage) -> Self {
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
    fn restore_item(&self) {
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
    fn files(&self) -> Vec<Utf8PathBuf> {
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

    fn findings(&self) -> Vec<Finding> {
        patiently(|| damage(&self.target(), Depth::Bytes)).unwrap()
    }

    fn find(&self) -> anyhow::Result<Option<LockedHost>> {
        patiently(|| Ok(LockedHost::find(self.host())?))
    }

    /// Follows the commands of `repair` until nothing is damaged, and returns those that worked.
    fn repair(&self) -> Vec<String> {
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
    fn follow(&self, command: &str, finding: &Finding) {
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
    fn revert(&self) -> Vec<String> {
        let Some(mut locked) = self.find().unwrap() else { return Vec::new() };
        let kept = locked.revert_all(&mut |_| {}).unwrap();
        let path = |kept: crate::journal::Kept| match kept.what {
            KeptThing::Path(path) => path.to_string(),
            KeptThing::Named { name, .. } => name,
        };
        kept.into_iter().map(path).collect()
    }

    /// Returns the contents of the folder, without the installer's own state.
    fn tree(&self) -> BTreeMap<String, String> {
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
    fn damage(&self, file: &Utf8Path, way: Way) {
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
fn folder() -> TempDir {
    let memory = tempfile::tempdir_in("/dev/shm");
    memory.or_else(|_| tempfile::tempdir()).unwrap()
}

/// Returns the manifest of the applied bundle.
fn manifest_text() -> Vec<u8> {
    let fields = ItemFields {
        name: "an/item".parse().unwrap(),
        size: ITEM.len() as u64,
        mode: ItemMode::Plain,
        sha256: Digest::of(ITEM.as_bytes()),
        chunks: Vec::new(),
        kind: vgpu_manifest::Kind::Plain,
        origin: vgpu_manifest::Origin::File,
    };
    let items = vec![Item::new(fields).unwrap()];
    Manifest { items, ..manifest("{}") }.to_bytes().unwrap()
}

fn plan() -> Plan {
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

fn copy(from: &std::path::Path, to: &std::path::Path) {
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

fn noise(size: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..size).map(|_| next()).collect()
}

fn pipe(path: &Utf8Path) {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    mknodat(CWD, path.as_std_path(), FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
}

/// Repeats an attempt while the lock is held. A process that another test starts has all open files
/// until it runs its program, so this process may find its own lock held for a moment.
fn patiently<T>(mut attempt: impl FnMut() -> anyhow::Result<T>) -> anyhow::Result<T> {
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

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Damages one file, follows the way out, reverts, and compares with the original host.
fn survive(scene: &Scene, stage: Stage, what: &str) -> Vec<String> {
    if stage != Stage::Trusted {
        let found = scene.find();
        let is_known = match &found {
            Ok(Some(locked)) => locked.current().unwrap().is_some(),
            Ok(None) => false,
            Err(_) => true,
        };
        assert!(is_known, "{what}: taken for a host on which nothing is installed");
    }
    let followed = scene.repair();
    let floors = Floors::load(&scene.host()).unwrap();
    let floor = floors.get(&"stable".parse().unwrap()).map_or(0, |floor| floor.sequence);
    let expected = if matches!(stage, Stage::Phase2 | Stage::CutRevert) { 5 } else { 3 };
    assert!(floor >= expected, "{what}: the floor is lowered to {floor}");
    let kept = scene.revert();
    let (mut stock, mut tree) = (Scene::new().tree(), scene.tree());
    for path in &kept {
        stock.remove(path);
        tree.remove(path);
    }
    assert_eq!(tree, stock, "{what}, {followed:?}, kept {kept:?}");
    assert_eq!(scene.findings(), [], "{what}, after the revert");
    kept
}

/// Each file, each damage, at this stage.
fn matrix(stage: Stage) {
    let original = Scene::at(stage);
    let files = original.files();
    let (mut cases, mut given_up) = (0, 0);
    for file in &files {
        for way in WAYS {
            if way == Way::Owner && !is_root() {
                assert!(std::env::var_os("VGPU_NO_SKIP").is_none(), "needs root");
                eprintln!("skipped: needs root");
                continue;
            }
            let scene = original.copy();
            scene.damage(file, way);
            given_up += survive(&scene, stage, &format!("{stage:?}, {file}: {way:?}")).len();
            cases += 1;
        }
    }
    eprintln!("{stage:?}: {cases} cases of {} files, {given_up} paths given up", files.len());
    assert!(cases >= if stage == Stage::Trusted { 24 } else { 100 }, "{cases}");
}

#[test]
fn damage_after_trust() {
    matrix(Stage::Trusted);
}

#[test]
fn damage_during_an_interrupted_apply() {
    matrix(Stage::CutApply);
}

#[test]
fn damage_after_phase_1() {
    matrix(Stage::Phase1);
}

#[test]
fn damage_after_phase_2() {
    matrix(Stage::Phase2);
}

#[test]
fn damage_during_an_interrupted_revert() {
    matrix(Stage::CutRevert);
}

#[test]
fn a_flipped_byte_anywhere_in_the_journal_is_found_or_harmless() {
    let original = Scene::at(Stage::Phase2);
    for file in ["journal.db", "journal.copy.db"].map(|name| Utf8Path::new(STATE).join(name)) {
        let bytes = fs::read(original.root().join(&file)).unwrap();
        for at in (0..bytes.len()).step_by(bytes.len() / 120) {
            let scene = original.copy();
            let mut bytes = bytes.clone();
            bytes[at] ^= 0x04;
            fs::write(scene.root().join(&file), bytes).unwrap();
            let kept = survive(&scene, Stage::Phase2, &format!("{file}: byte {at}"));
            assert_eq!(kept, Vec::<String>::new(), "{file}: byte {at}");
        }
    }
}

#[test]
fn an_undamaged_host_has_no_findings_at_any_stage() {
    for stage in STAGES {
        let scene = Scene::at(stage);
        assert_eq!(scene.findings(), [], "{stage:?}");
        assert_eq!(scene.revert(), Vec::<String>::new(), "{stage:?}");
        assert_eq!(scene.tree(), Scene::new().tree(), "{stage:?}");
    }
}

#[test]
fn a_lost_copy_stops_a_revert_before_it_begins_until_it_is_given_up() {
    let scene = Scene::at(Stage::Phase2);
    let id = Content::of(b"what was there before\n").id.to_string();
    fs::remove_file(scene.root().join(STATE).join("undo").join(&id)).unwrap();
    let applied = scene.tree();
    let mut locked = scene.find().unwrap().unwrap();
    let error = locked.revert_all(&mut |_| {}).unwrap_err().to_string();
    assert!(error.contains("/etc/target.conf: ") && error.contains(&id), "{error}");
    assert_eq!(locked.current().unwrap().unwrap().state, TxState::Applied);
    drop(locked);
    assert_eq!(scene.tree(), applied, "nothing was changed");

    let findings = scene.findings();
    let [finding] = &findings[..] else { panic!("{findings:?}") };
    assert!(finding.lost[0].contains("mode 0644") && finding.lost[0].contains(&id));
    assert_eq!(scene.repair(), ["vgpu-installer repair --give-up /etc/target.conf"]);
    assert_eq!(scene.revert(), ["/etc/target.conf"]);
    // A later change of the same path has a copy of its own, and is reverted.
    let mut locked = scene.find().unwrap().unwrap();
    let origin = Origin { bundle: Digest::of(b"y"), boot: locked.boot().unwrap() };
    let place = PlaceFile {
        path: fixed("/etc/target.conf"),
        mode: Mode::FILE,
        text: "again\n".to_owned(),
        component: Component::Shared,
    };
    let plan = Plan::new(vec![Step::PlaceFile(place)], Vec::new());
    locked.apply(&origin, &plan, Phase::Second, &mut |_| {}).unwrap();
    drop(locked);
    assert_eq!(scene.revert(), Vec::<String>::new());
    let text = fs::read_to_string(scene.root().join("etc/target.conf")).unwrap();
    assert_eq!(text, "what comes after\n");
}

#[test]
fn a_journal_without_its_copy_is_given_up_with_a_list_of_what_stays() {
    for way in [Way::Removed, Way::Emptied, Way::Noise, Way::Folder, Way::Pipe, Way::Truncated] {
        let scene = Scene::at(Stage::Phase2);
        let applied = scene.tree();
        for file in ["journal.db", "journal.copy.db"] {
            scene.damage(&Utf8Path::new(STATE).join(file), way);
        }
        let error = scene.find().unwrap_err();
        let damage = error.downcast_ref::<LockedHostError>();
        assert!(damage.is_some_and(LockedHostError::is_damage), "{way:?}: {error}");
        let finding = &scene.findings()[0];
        assert_eq!(finding.path, HostPath::from(state::journal()), "{way:?}");
        assert!(finding.lost.iter().any(|it| it.contains("modprobe.d")), "{finding:?}");
        scene.repair();
        let locked = scene.find().unwrap().unwrap();
        assert_eq!(locked.current().unwrap(), None);
        let kept = locked.last_kept().unwrap();
        assert!(kept.iter().any(|it| it.why == crate::journal::Why::JournalLost), "{kept:?}");
        drop(locked);
        assert_eq!(scene.tree(), applied, "{way:?}: nothing else was changed");
        assert_eq!(scene.findings(), []);
    }
}

/// SQLite would wait forever for the writer of a pipe.
#[test]
fn a_pipe_next_to_a_database_blocks_nothing() {
    let original = Scene::at(Stage::Phase2);
    for name in
        ["journal.db-wal", "journal.db-journal", "journal.copy.db-wal", "journal.copy.db-journal"]
    {
        let scene = original.copy();
        let path = scene.root().join(STATE).join(name);
        let _ = fs::remove_file(&path);
        pipe(&path);
        survive(&scene, Stage::Phase2, name);
        assert!(!path.exists(), "{name}");
    }
}

#[test]
fn floors_that_are_lost_are_given_up_by_name_and_follow_the_journal() {
    let scene = Scene::at(Stage::Phase2);
    for name in ["floors.json", "floors.copy.json"] {
        scene.write(&format!("{STATE}/{name}"), "{");
    }
    assert!(Floors::load(&scene.host()).is_err(), "an old bundle would be accepted");
    assert_eq!(scene.revert(), Vec::<String>::new(), "floors do not block a revert");
    let scene = Scene::at(Stage::Phase2);
    for name in ["floors.json", "floors.copy.json"] {
        scene.write(&format!("{STATE}/{name}"), "{");
    }
    let way = format!("vgpu-installer repair --give-up /{STATE}/floors.json");
    assert_eq!(scene.repair(), [way]);
    let floors = Floors::load(&scene.host()).unwrap();
    // The manifest of the applied bundle has sequence 1.
    assert_eq!(floors.get(&"stable".parse().unwrap()).unwrap().sequence, 1);
    let log = fs::read_to_string(scene.root().join(STATE).join("trust.log")).unwrap();
    assert!(log.contains("gave up damaged floors"), "{log}");
}

#[test]
fn everything_is_forgotten_but_only_after_the_revert() {
    let scene = Scene::at(Stage::Phase2);
    scene.damage(&Utf8Path::new(STATE).join("guard.json"), Way::Folder);
    scene.damage(&Utf8Path::new(STATE).join("floors.json"), Way::Neighbor);
    let locked = scene.find().unwrap().unwrap();
    assert!(matches!(locked.forget(), Err(LockedHostError::InUse(_))));
    fs::remove_file(scene.root().join(STATE).join("journal.db")).unwrap();
    assert!(LockedHost::make(scene.host()).is_err(), "the undo copies would go");
    scene.repair();
    scene.revert();
    scene.find().unwrap().unwrap().forget().unwrap();
    assert!(!scene.root().join(STATE).exists());
}
