//! Components that are removed while the rest stays.

use std::collections::BTreeSet;

use super::*;
use crate::component::Component::{self, Driver, Packages, Passthrough, Unlock};
use crate::host::testing::{Fuse, Late};
use crate::journal::{Kept, NewTransaction, Removing, RevertError, TxId, remove};

/// Two components in one folder that neither existed before, and one file that both need.
fn plan() -> Plan {
    Plan::new(
        vec![
            place("/etc/shared.conf", "shared\n"),
            place_for(Driver, "/etc/new/driver.conf", "driver\n"),
            place_for(Driver, "/etc/default/grub", "the driver's\n"),
            place_for(Unlock, "/etc/new/unlock.conf", "unlock\n"),
            place_for(Unlock, "/etc/systemd/system/a.service.d/x.conf", "[Service]\n"),
        ],
        Vec::new(),
    )
}

fn take(world: &mut World, components: &[Component]) -> Result<Vec<Kept>, RevertError> {
    let components = components.iter().copied().collect();
    remove(&mut world.host, &mut world.log, &components, &mut |_| {})
}

fn applied() -> World {
    let mut world = World::new(&host());
    carry_out(&mut world, &plan()).unwrap();
    world
}

#[test]
fn one_goes_the_others_stay_and_a_second_apply_brings_it_back() {
    let mut world = applied();
    let after = world.host.picture(&[]);
    assert_eq!(take(&mut world, &[Driver]).unwrap(), [], "the folder is the other's as well");
    let text = |world: &World, path| world.host.text_of(path);
    assert_eq!(text(&world, "/etc/new/driver.conf"), None);
    assert_eq!(text(&world, "/etc/new/unlock.conf").unwrap(), "unlock\n");
    assert_eq!(text(&world, "/etc/shared.conf").unwrap(), "shared\n");
    assert!(text(&world, "/boot/grub/grub.cfg").unwrap().contains("quiet"), "it is rebuilt");
    let tx = world.log.transactions().unwrap().remove(0);
    assert!(tx.is_removed(Driver) && !tx.is_removed(Unlock));

    assert!(carry_out(&mut world, &plan()).unwrap().tx.is_some());
    assert_eq!(world.host.picture(&[]), after);
    // The second transaction has the driver alone, and its revert removes only that.
    assert_eq!(world.revert().unwrap(), []);
    assert_eq!(text(&world, "/etc/new/driver.conf"), None);
    assert_eq!(text(&world, "/etc/new/unlock.conf").unwrap(), "unlock\n");
    assert_eq!(world.revert().unwrap(), []);
    assert_eq!(world.host.picture(&[]), host().picture(&[]));
}

#[test]
fn a_folder_goes_with_the_last_component_that_has_something_in_it() {
    let mut world = applied();
    take(&mut world, &[Driver]).unwrap();
    assert!(world.host.nodes.contains_key(&fixed("/etc/new")));
    assert_eq!(take(&mut world, &[Unlock]).unwrap(), []);
    assert!(!world.host.nodes.contains_key(&fixed("/etc/new")));
    let tx = world.log.transactions().unwrap().remove(0);
    let done = Removing::Done { left: BTreeSet::new() };
    assert_eq!(tx.removed, [(Driver, done.clone()), (Unlock, done)].into());
    // A folder of that name is third-party from now on, and so is the file.
    world.host.place("/etc/new/driver.conf", "driver\n");
    assert_eq!(world.revert().unwrap(), []);
    assert_eq!(world.host.text_of("/etc/new/driver.conf").unwrap(), "driver\n");
}

#[test]
fn foreign_files_in_the_folder_are_named() {
    let mut world = applied();
    world.host.place("/etc/new/mine.conf", "mine\n");
    let kept = take(&mut world, &[Driver, Unlock]).unwrap();
    let named: Vec<_> = kept.iter().map(|kept| kept.what.to_string()).collect();
    assert_eq!(named, ["/etc/new"]);
    assert_eq!(world.log.transactions().unwrap()[0].kept, kept);
}

#[test]
fn what_several_bundles_brought_goes_at_once_and_to_what_was_there_first() {
    let mut world = applied();
    let newer = Plan::new(
        vec![
            place_for(Driver, "/etc/new/driver.conf", "newer\n"),
            place_for(Driver, "/etc/default/grub", "newer\n"),
            place_for(Passthrough, "/etc/udev/rules.d/62-vgpu-offline.rules", "rule\n"),
        ],
        Vec::new(),
    );
    carry_out(&mut world, &newer).unwrap();
    assert_eq!(take(&mut world, &[Driver]).unwrap(), []);
    let grub = host().text_of("/etc/default/grub");
    assert_eq!(world.host.text_of("/etc/default/grub"), grub);
    assert_eq!(world.host.text_of("/etc/new/driver.conf"), None);
    assert!(world.host.text_of("/etc/udev/rules.d/62-vgpu-offline.rules").is_some());
    for _ in 0..2 {
        assert_eq!(world.revert().unwrap(), []);
    }
    assert_eq!(world.host.picture(&[]), host().picture(&[]));
}

#[test]
fn a_power_cut_anywhere_in_a_removal_can_be_gone_on_from_and_taken_back() {
    let mut start = applied();
    carry_out(
        &mut start,
        &Plan::new(vec![place_for(Driver, "/etc/new/driver.conf", "2\n")], vec![]),
    )
    .unwrap();
    let mut done = start.powered();
    take(&mut done, &[Driver]).unwrap();
    let (expected, original) = (done.host.picture(&[]), host().picture(&[]));
    let mut cuts = 0;
    for late in [Late::Before, Late::After] {
        let go_on = |world: &mut World| take(world, &[Driver]).map(|kept| assert_eq!(kept, []));
        let take_back = |world: &mut World| {
            world.revert()?;
            world.revert().map(|kept| assert_eq!(kept, []))
        };
        for world in each_cut(&start, late, &go_on) {
            if world.log.transactions().unwrap()[0].going().next().is_some() {
                let error = carry_out(&mut world.clone(), &plan()).unwrap_err();
                assert!(matches!(error, ApplyError::Removing), "{error}");
            }
            for mut world in each_cut(&world, late, &go_on) {
                cuts += 1;
                go_on(&mut world).unwrap();
                assert_eq!(world.host.picture(&[]), expected, "{late:?}");
            }
            for mut world in each_cut(&world, late, &take_back) {
                cuts += 1;
                take_back(&mut world).unwrap();
                assert_eq!(world.host.picture(&[]), original, "{late:?}");
                assert!(world.host.leftovers().is_empty());
            }
        }
    }
    assert!(cuts > 400, "only {cuts} pairs of power cuts tried");
}

type Act<'a> = &'a dyn Fn(&mut World) -> Result<(), RevertError>;

/// Returns the worlds after a power cut at each change of `act`, with the power restored; the last
/// one is the completed run.
fn each_cut(start: &World, late: Late, act: Act<'_>) -> Vec<World> {
    let mut worlds = Vec::new();
    for at in 1.. {
        let mut world = start.with(Fuse::at(at, late));
        let result = act(&mut world);
        let died = world.host.fuse.is_blown();
        worlds.push(world.powered());
        if !died {
            result.unwrap();
            break;
        }
    }
    worlds
}

#[test]
fn what_is_on_its_way_or_unknown_is_not_taken_apart() {
    let mut world = applied();
    let waits = Plan::new(
        vec![place_for(Driver, "/etc/modprobe.d/x.conf", "x\n")],
        vec![place("/etc/later", "x")],
    );
    carry_out(&mut world, &waits).unwrap();
    let error = take(&mut world, &[Driver]).unwrap_err();
    assert!(matches!(error, RevertError::Unfinished(TxId(2))), "{error}");
    assert_eq!(world.host.text_of("/etc/new/driver.conf").unwrap(), "driver\n");
    // A component without entries is no reason to fail.
    world.revert().unwrap();
    assert_eq!(take(&mut world, &[Packages]).unwrap(), []);

    let NewTransaction { plan, .. } = world.log.transactions().unwrap()[0].new.clone();
    assert_eq!(Plan::parse(&plan).unwrap(), super::removal::plan(), "components are stored");
}
