//! A driver that was installed outside the program: refused, or removed on request.

use super::driver::{PATCHED, SOURCE, carry_out, host, plan, spec};
use crate::act::ForeignDriver;
use crate::driver::versions;
use crate::host::testing::{Fuse, Late, MemHost};
use crate::journal::{Kept, KeptThing, Why};
use crate::plan::Plan;
use crate::power_cut::World;
use crate::state;
use crate::step::{InstallDriver, Step};

#[test]
fn a_foreign_driver_is_refused_by_name() {
    let mut world = World::new(&host());
    carry_out(&mut world, &plan("535.230.02", None), "a").unwrap();
    let error = carry_out(&mut world, &plan("550.163.02", None), "b").unwrap_err().to_string();
    assert!(
        error.contains("the driver 535.230.02 is installed, but not by vgpu-installer"),
        "{error}"
    );
    assert!(error.contains("`--foreign-driver remove`"), "{error}");
    assert_eq!(versions(&world.host).unwrap(), ["535.230.02"]);
}

/// A host on which this driver was installed outside the program.
fn foreign(version: &str) -> MemHost {
    let mut world = World::new(&host());
    carry_out(&mut world, &plan(version, None), "a").unwrap();
    world.host.nodes.remove(&state::below_dir(&state::dir(), "driver.json"));
    world.host
}

/// The plan that removes it and installs another one.
fn taking_over(host: &MemHost, new: &str) -> Plan {
    let foreign = ForeignDriver::look(host).unwrap();
    let step = InstallDriver { foreign, ..InstallDriver::of(spec(new)) };
    Plan::new(vec![Step::InstallDriver(Box::new(step))], Vec::new())
}

#[test]
fn a_foreign_driver_is_removed_permanently_on_request() {
    let before = foreign("535.230.02");
    let plan = taking_over(&before, "550.163.02");
    let summary = plan.before_reboot[0].summary();
    assert!(
        summary.contains("instead of 535.230.02 (installed outside vgpu-installer"),
        "{summary}"
    );
    // Wherever the power is cut, resuming leads to the new driver, and reverting to none.
    for late in [Late::Before, Late::After] {
        for n in 1.. {
            let mut world = World::new(&before).with(Fuse::at(n, late));
            let _ = carry_out(&mut world, &plan, "a");
            let died = world.host.fuse.is_blown();
            let mut world = world.powered();
            let mut other = world.clone();
            carry_out(&mut world, &plan, "a").unwrap();
            assert_eq!(versions(&world.host).unwrap(), ["550.163.02"], "cut at {n}, {late:?}");
            let gone = world.revert().unwrap();
            let kept = Kept {
                what: KeptThing::Named { kind: "driver".to_owned(), name: "535.230.02".to_owned() },
                why: Why::Foreign,
            };
            // Files that its uninstaller did not get to were removed, and a revert does not restore
            // them.
            let rest = |it: &&Kept| **it != kept && it.what.to_string() != "/var/lib/nvidia/files";
            assert!(gone.contains(&kept), "cut at {n}, {late:?}: {gone:?}");
            assert_eq!(gone.iter().find(rest), None, "cut at {n}, {late:?}");
            assert_eq!(versions(&world.host).unwrap(), Vec::<String>::new());
            other.revert().unwrap();
            let left = versions(&other.host).unwrap();
            assert!(!left.contains(&"550.163.02".to_owned()), "cut at {n}, {late:?}: {left:?}");
            if !died {
                break;
            }
        }
    }
}

#[test]
fn a_foreign_driver_of_the_same_version_is_not_taken_for_a_patched_one() {
    let mut world = World::new(&foreign("535.230.02"));
    let path = "/usr/src/nvidia-535.230.02/nv.c";
    world.host.place(path, SOURCE);
    carry_out(&mut world, &plan("535.230.02", None), "a").unwrap();
    assert_eq!(world.host.text_of(path).as_deref(), Some(PATCHED));
}
