//! Plans that resume after a reboot, and plans that meet other plans.

use super::*;
use crate::gpus::Slot;
use crate::journal::{RevertError, TxId, TxState, revert};
use crate::step::{HandToGuests, HeldForGuests};

fn two_phases() -> Plan {
    let modprobe = Step::ModprobeOptions(ModprobeOptions {
        lines: vec!["blacklist nouveau".parse().unwrap()],
    });
    Plan::new(vec![modprobe], vec![place("/etc/later.conf", "later\n")])
}

#[test]
fn the_second_phase_waits_for_another_boot() {
    let mut world = World::new(&host());
    for _ in 0..2 {
        let applied = carry_out(&mut world, &two_phases()).unwrap();
        assert_eq!(applied.reboot, Reboot::NeededToContinue);
        assert_eq!(world.host.text_of("/etc/later.conf"), None);
        assert_eq!(world.log.transactions().unwrap()[0].state, TxState::Applying);
    }
    let rebooted = Origin { boot: BootId("second".to_owned()), ..origin() };
    let applied =
        apply(&mut world.host, &mut world.log, &rebooted, &two_phases(), &mut |_| {}).unwrap();
    assert_eq!(applied, Applied { tx: Some(TxId(1)), reboot: Reboot::NotNeeded });
    assert_eq!(world.host.text_of("/etc/later.conf").unwrap(), "later\n");
    assert_eq!(world.log.transactions().unwrap()[0].state, TxState::Applied);
    assert_eq!(world.revert().unwrap(), []);
    assert_eq!(world.host.picture(&[]), host().picture(&[]));
}

#[test]
fn a_first_part_that_came_to_its_end_on_a_later_boot_waits_for_the_end_of_that_one() {
    let mut world = World::new(&host());
    world.host.programs.insert("update-initramfs", |_, _| Ok(1));
    carry_out(&mut world, &two_phases()).unwrap_err();
    world.host.programs.clear();
    let at = |boot: &str| Origin { boot: BootId(boot.to_owned()), ..origin() };
    let mut go_on = |boot: &str| {
        apply(&mut world.host, &mut world.log, &at(boot), &two_phases(), &mut |_| {})
            .unwrap()
            .reboot
    };
    // The initramfs is rebuilt only on the second boot, which did not begin with it.
    assert_eq!(go_on("second"), Reboot::NeededToContinue);
    assert_eq!(go_on("second"), Reboot::NeededToContinue);
    assert_eq!(go_on("third"), Reboot::NotNeeded);
}

#[test]
fn who_asks_for_the_first_phase_gets_no_more() {
    let plan = Plan::new(vec![place("/etc/x.conf", "x\n")], two_phases().after_reboot);
    let mut world = World::new(&host());
    for _ in 0..2 {
        let (host, log) = (&mut world.host, &mut world.log);
        let applied = apply_until(host, log, &origin(), &plan, Phase::First, &mut |_| {}).unwrap();
        assert_eq!(applied.reboot, Reboot::Stopped, "nothing waits for a boot");
        assert_eq!(world.host.text_of("/etc/later.conf"), None);
    }
    assert_eq!(carry_out(&mut world, &plan).unwrap().reboot, Reboot::NotNeeded);
    assert_eq!(world.host.text_of("/etc/later.conf").unwrap(), "later\n");
    // A plan that is in sync needs no resume unit.
    let (host, log) = (&mut world.host, &mut world.log);
    let applied = apply_until(host, log, &origin(), &plan, Phase::First, &mut |_| {}).unwrap();
    assert_eq!(applied, Applied { tx: None, reboot: Reboot::NotNeeded });
}

#[test]
fn a_gpu_for_a_guest_must_really_be_free_for_it_after_the_reboot() {
    let slots = vec![Slot::of("0000:41:00.0".parse().unwrap())];
    let hand = Step::HandToGuests(HandToGuests { slots: slots.clone() });
    let plan = Plan::new(vec![hand], vec![Step::HeldForGuests(HeldForGuests { slots })]);
    let mut world = World::new(&host());
    let foretold = rehearse(&plan, &world.host).unwrap();
    assert_eq!(foretold.plan, plan, "whether it is free shows only after the reboot");
    assert_eq!(carry_out(&mut world, &plan).unwrap().reboot, Reboot::NeededToContinue);
    assert!(world.host.ran.iter().any(|it| it.ends_with("update-initramfs -u -k all")));

    let rebooted = Origin { boot: BootId("second".to_owned()), ..origin() };
    let mut driven_by = |driver: &str| {
        let target = format!("../../../../bus/pci/drivers/{driver}");
        let link = Node::Link { target, uid: 0, gid: 0 };
        world.host.place_node("/sys/bus/pci/devices/0000:41:00.0/driver", link, &[]);
        apply(&mut world.host, &mut world.log, &rebooted, &plan, &mut |_| {})
    };
    let error = driven_by("nvidia").unwrap_err().to_string();
    assert!(error.contains("0000:41:00.0 is bound to nvidia instead of vfio-pci"), "{error}");
    assert_eq!(driven_by("vfio-pci").unwrap().reboot, Reboot::NotNeeded);
}

#[test]
fn another_plan_is_refused_while_one_is_open() {
    let mut world = World::new(&host());
    carry_out(&mut world, &two_phases()).unwrap();
    let error = carry_out(&mut world, &example()).unwrap_err();
    assert!(matches!(error, ApplyError::Unfinished(TxId(1))), "{error}");
    world.log.set_state(TxId(1), TxState::Reverting).unwrap();
    let error = carry_out(&mut world, &two_phases()).unwrap_err();
    assert!(matches!(error, ApplyError::Reverting(TxId(1))), "{error}");
}

#[test]
fn transactions_are_taken_back_in_the_order_opposite_to_that_of_their_coming() {
    let before = host();
    let mut world = World::new(&before);
    let plans = ["1", "2"].map(|text| {
        Plan::new(vec![place("/etc/done.conf", text), place(&format!("/srv/{text}"), text)], vec![])
    });
    for plan in &plans {
        carry_out(&mut world, plan).unwrap();
    }
    let error = revert(&mut world.host, &mut world.log, TxId(1), &mut |_| {}).unwrap_err();
    assert!(matches!(error, RevertError::NotLast { this: TxId(1), later: TxId(2) }), "{error}");
    assert_eq!(world.revert().unwrap(), []);
    assert_eq!(world.host.text_of("/etc/done.conf").unwrap(), "1");
    assert_eq!(world.revert().unwrap(), []);
    assert_eq!(world.host.picture(&[]), before.picture(&[]));
}

#[test]
fn what_cannot_be_rebuilt_stays_marked_and_the_next_run_tries_again() {
    let mut world = World::new(&host());
    world.host.programs.insert("update-grub", |_, _| Ok(1));
    let error = carry_out(&mut world, &example()).unwrap_err();
    assert!(error.to_string().contains("cannot rebuild the GRUB configuration"), "{error}");
    assert_eq!(world.log.dirty().unwrap(), [Derived::Grub].into());
    world.revert().unwrap_err();
    assert_eq!(world.log.transactions().unwrap()[0].state, TxState::Reverting);

    world.host.programs.clear();
    assert_eq!(world.revert().unwrap(), []);
    assert_eq!(world.host.picture(&[]), host().picture(&[]));
}
