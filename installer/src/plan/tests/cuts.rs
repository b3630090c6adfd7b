use super::*;
use crate::host::testing::Late;
use crate::power_cut::{cut_everywhere, cut_once};

fn cut(plan: &Plan) -> usize {
    cut_everywhere(&host(), &|world| {
        carry_out(world, plan).map(|_| ()).map_err(|error| error.to_string())
    })
}

#[test]
fn a_power_cut_at_any_change_can_be_resumed_and_reverted() {
    let cuts = cut(&example());
    assert!(cuts > 2_000, "only {cuts} pairs of power cuts tried");
}

#[test]
fn a_full_disk_at_any_change_can_be_resumed_and_reverted() {
    let full = cut_once(&host(), Late::Full, &|world| {
        carry_out(world, &example()).map(|_| ()).map_err(|error| error.to_string())
    });
    assert!(full > 50, "only {full} full disks tried");
}

#[test]
fn a_file_that_is_changed_twice_is_known_as_ours_after_every_cut() {
    let plan = Plan::new(
        vec![
            place("/etc/modprobe.d/pve-blacklist.conf", "blacklist nvidiafb\n# one\n"),
            place("/etc/new/x", "1\n"),
            place("/etc/modprobe.d/pve-blacklist.conf", "blacklist nvidiafb\n# two\n"),
        ],
        Vec::new(),
    );
    // After resuming, the first step is out of sync again and writes again, and so does the last.
    let cuts = cut(&plan);
    assert!(cuts > 250, "only {cuts} pairs of power cuts tried");
}
