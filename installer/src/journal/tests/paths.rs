use super::*;
use crate::host::{Meta, Mode, Node, Xattrs};
use crate::power_cut::cut_everywhere;

/// Uses every way in which the journal changes a path.
fn change(world: &mut World) -> Result<(), JournalError> {
    let tx = transaction(world)?;
    let mut journal = Journal::new(&mut world.host, &mut world.log, tx, Component::Shared);
    let xattrs = Xattrs([("user.b".to_owned(), b"new".to_vec())].into());
    let meta = Meta { mode: "1770".parse().unwrap(), uid: 1, gid: 2, xattrs };
    journal.put_dir(&fixed("/srv/dir"), meta.clone())?;
    journal.put_dir(&fixed("/srv/made/deep"), meta.clone())?;
    journal.put_bytes(&fixed("/srv/dir/file"), b"new\n", meta.clone())?;
    journal.put_link(&fixed("/srv/dir/link"), "elsewhere")?;
    journal.put_link(&fixed("/srv/replaced"), "dir")?;
    journal.put_bytes(&fixed("/srv/through/file"), b"newer\n", Meta::root(Mode::FILE))?;
    // Changed before its contents are removed: the revert must restore it before its turn.
    journal.put_dir(&fixed("/srv/gone"), meta)?;
    journal.remove(&fixed("/srv/gone/file"))?;
    journal.remove(&fixed("/srv/gone"))?;
    world.log.set_state(tx, TxState::Applied)?;
    Ok(())
}

fn start() -> MemHost {
    let mut host = MemHost::default();
    let xattrs = Xattrs([("user.a".to_owned(), b"old".to_vec())].into());
    let meta = Meta { mode: "0700".parse().unwrap(), uid: 3, gid: 4, xattrs };
    host.place_node("/srv/dir", Node::Dir { meta: meta.clone() }, b"");
    host.place_as("/srv/dir/file", b"old\n", meta.clone());
    host.place_as("/srv/replaced", b"a file\n", meta.clone());
    host.place_as("/srv/gone/file", b"gone\n", meta);
    host.place_node("/srv/through", Node::link("/srv/dir"), b"");
    host
}

#[test]
fn every_kind_of_change_survives_a_cut_at_any_of_its_moments() {
    let cuts = cut_everywhere(&start(), &|world| change(world).map_err(|error| error.to_string()));
    assert!(cuts > 500, "only {cuts} pairs of power cuts tried");
}

#[test]
fn one_place_has_one_name_in_the_journal() {
    let mut world = World::new(&start());
    change(&mut world).unwrap();
    let entries = world.log.entries(TxId(1)).unwrap();
    let last = entries.iter().rfind(|entry| entry.path() == Some(&fixed("/srv/dir/file"))).unwrap();
    let names: Vec<_> = last.change.names().map(ToString::to_string).collect();
    assert_eq!(names, ["/srv/dir/file", "/srv/through/file"]);
    assert!(entries.iter().all(|entry| entry.path() != Some(&fixed("/srv/through/file"))));
}

#[test]
fn what_a_link_hides_makes_stale_what_its_name_says() {
    let mut host = start();
    host.place("/srv/modprobe/x", "");
    host.place_node("/etc/modprobe.d", Node::link("/srv/modprobe"), b"");
    let mut world = World::new(&host);
    let tx = transaction(&mut world).unwrap();
    let mut journal = Journal::new(&mut world.host, &mut world.log, tx, Component::Shared);
    let path = fixed("/etc/modprobe.d/vgpu.conf");
    journal.put_bytes(&path, b"blacklist nouveau\n", Meta::root(Mode::FILE)).unwrap();
    let initramfs = [crate::settle::Derived::Initramfs];
    assert_eq!(world.log.dirty().unwrap(), initramfs.clone().into());
    world.log.settled(&initramfs[0]).unwrap();
    assert_eq!(world.revert().unwrap(), []);
    assert_eq!(world.host.ran, ["env INITRAMFS_TOOLS_KERNEL_HOOK=1 update-initramfs -u -k all"]);
}
