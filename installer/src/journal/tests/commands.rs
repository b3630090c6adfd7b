use super::*;
use crate::host::{Look as _, Meta};
use crate::power_cut::cut_everywhere;
use crate::settle::Derived;

/// Makes a change, runs the command if its effect is missing, and makes another change.
fn apply(world: &mut World) -> Result<(), JournalError> {
    let tx = transaction(world)?;
    let install = install();
    let mut journal = Journal::new(&mut world.host, &mut world.log, tx, Component::Shared);
    journal.put_bytes(&fixed("/etc/plain.conf"), b"new\n", Meta::root(Mode::FILE))?;
    if !install.probe.is_present(journal.look())? {
        journal.act(install)?;
    }
    journal.put_bytes(&fixed("/opt/maker/ours"), b"ours\n", Meta::root(Mode::FILE))?;
    world.log.set_state(tx, TxState::Applied)?;
    Ok(())
}

fn apply_and_settle(world: &mut World) -> Result<(), String> {
    apply(world).map_err(|error| error.to_string())?;
    settle(&mut world.host, &mut world.log, &mut |_| {}).map_err(|error| error.to_string())
}

fn only(run: Reversible) -> impl Fn(&mut World) -> Result<(), JournalError> {
    move |world| {
        let tx = transaction(world)?;
        Journal::new(&mut world.host, &mut world.log, tx, Component::Shared).act(run.clone())
    }
}

#[test]
fn what_a_command_did_by_itself_is_taken_back_after_any_cut() {
    let cuts = cut_everywhere(&host(), &apply_and_settle);
    assert!(cuts > 500, "only {cuts} power cuts tried");
}

#[test]
fn the_traces_of_a_command_are_entries_and_make_things_stale() {
    let mut world = World::new(&host());
    apply(&mut world).unwrap();
    let kernel = "6.8.12-4-pve".parse().unwrap();
    assert_eq!(world.log.dirty().unwrap(), [Derived::Depmod(kernel)].into());
    let entries = world.log.entries(TxId(1)).unwrap();
    let run = entries.iter().find(|entry| entry.run.is_some()).unwrap();
    assert_eq!(run.run, Some(RunState::Exited));
    let traces: Vec<_> = entries
        .iter()
        .filter(|entry| entry.by == Some(run.id))
        .map(|entry| entry.path().unwrap().to_string())
        .collect();
    assert_eq!(
        traces,
        [
            "/etc/old.conf",
            "/etc/maker.conf",
            "/opt/maker",
            "/opt/maker/bin",
            "/opt/maker/share",
            "/opt/maker/share/doc",
            "/lib/modules/6.8.12-4-pve/updates/maker.ko",
        ]
    );
    assert_eq!(world.revert().unwrap(), []);
    assert_eq!(world.host.picture(&[]), host().picture(&[]));
}

#[test]
fn a_command_whose_effect_is_gone_already_is_not_undone() {
    let mut world = World::new(&host());
    apply(&mut world).unwrap();
    world.host.nodes.remove(&fixed("/opt/maker/bin"));
    world.host.ran.clear();
    assert_eq!(world.revert().unwrap(), []);
    assert_eq!(world.host.ran, ["depmod 6.8.12-4-pve"]);
    assert_eq!(world.host.picture(&[]), host().picture(&[]));
}

#[test]
fn a_command_that_fails_has_left_traces_as_well() {
    let mut world = World::new(&host());
    world.host.programs.insert("maker", |host, args| {
        let status = maker(host, args)?;
        Ok(if args == ["install"] { 3 } else { status })
    });
    let error = apply(&mut world).unwrap_err();
    assert!(error.to_string().starts_with("`maker install` failed with exit status 3"), "{error}");
    assert_eq!(world.revert().unwrap(), []);
    assert_eq!(world.host.picture(&[]), host().picture(&[]));
}

#[test]
fn an_undo_that_fails_keeps_what_it_may_need_another_time() {
    let mut world = World::new(&host());
    apply(&mut world).unwrap();
    world.host.place("/run/maker.lock", "");
    let error = world.revert().unwrap_err();
    assert!(error.to_string().contains("`maker remove` failed with exit status 100"), "{error}");
    assert_eq!(world.host.text_of("/etc/plain.conf").unwrap(), "new\n", "it came before");
    assert_eq!(world.host.text_of("/opt/maker/ours"), None, "it came after");
    assert_eq!(world.log.transactions().unwrap()[0].state, TxState::Reverting);

    world.host.nodes.remove(&fixed("/run/maker.lock"));
    world.host.ran.clear();
    assert_eq!(world.revert().unwrap(), []);
    assert_eq!(world.host.ran, ["maker remove", "depmod 6.8.12-4-pve"]);
    assert_eq!(world.host.picture(&[]), host().picture(&[]));
}

#[test]
fn what_a_command_changes_in_a_large_tree_is_named() {
    let mut world = World::new(&host());
    world.host.programs.insert("maker", |host, args| {
        host.scribble("/lib/modules/6.8.12-4-pve/kernel/big.ko", "changed\n")?;
        maker(host, args)
    });
    apply(&mut world).unwrap();
    let kept = world.revert().unwrap();
    let path = fixed("/lib/modules/6.8.12-4-pve/kernel/big.ko");
    assert_eq!(kept, [Kept { what: KeptThing::Path(path), why: Why::NoCopy }]);
}

#[test]
fn a_directory_that_a_command_replaced_by_a_file_comes_back_with_all_that_was_in_it() {
    fn flatten(host: &mut MemHost, _: &[&str]) -> Result<i32, HostError> {
        for path in ["/srv/d/sub/x", "/srv/d/sub", "/srv/d/y", "/srv/d"] {
            host.scratch(path)?;
        }
        host.scribble("/srv/d", "flat\n")?;
        host.scratch("/srv/file")?;
        host.scribble("/srv/file/now/deep", "deep\n")?;
        Ok(0)
    }
    let mut host = host();
    for path in ["/srv/d/sub/x", "/srv/d/y", "/srv/file"] {
        host.place(path, "was here\n");
    }
    host.programs.insert("flatten", flatten);
    let probe = Probe::Exists(fixed("/srv/file/now/deep"));
    let run = Reversible {
        scope: Scope { small: [fixed("/srv")].into(), ..Scope::default() },
        ..Reversible::new(Command::new("flatten", &[]), probe)
    };
    let once = |world: &mut World| {
        let is_done = run.probe.is_present(&world.host).map_err(|e| e.to_string())?;
        let cut = only(run.clone());
        let tx = transaction(world).map_err(|e| e.to_string())?;
        if !is_done {
            cut(world).map_err(|e| e.to_string())?;
        }
        world.log.set_state(tx, TxState::Applied).map_err(|e| e.to_string())
    };
    let cuts = cut_everywhere(&host, &once);
    assert!(cuts > 250, "only {cuts} power cuts tried");
}

#[test]
fn a_stored_command_has_one_spelling() {
    let json = serde_json::to_string(&Change::Act(Action::Run(install()))).unwrap();
    let read: Change = serde_json::from_str(&json).unwrap();
    assert_eq!(read, Change::Act(Action::Run(install())));
    assert!(
        json.starts_with(r#"{"change":"act","act":"run","command":{"argv":["maker","install"]}"#),
        "{json}"
    );
    assert!(host().list(&fixed("/opt")).unwrap().is_some());
}
