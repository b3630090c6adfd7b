//! Damage to every file of the installer's own state, at every stage, in every way: each has a way
//! out that is named and that works.

#![expect(clippy::disallowed_methods, reason = "tests damage the folder from outside")]

mod scene;

use std::fs;

use camino::Utf8Path;
use vgpu_manifest::{Digest, Mode};

use self::scene::{STAGES, STATE, Scene, Stage, WAYS, Way, is_root, pipe};
use super::*;
use crate::component::Component;
use crate::host::Content;
use crate::journal::TxState;
use crate::locked_host::LockedHost;
use crate::plan::{Origin, Phase, Plan};
use crate::state::{self, fixed};
use crate::step::{PlaceFile, Step};
use crate::trust::Floors;

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
