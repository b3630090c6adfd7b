//! The order of two Debian versions, one a line, compared with dpkg's.

#![no_main]

use std::cmp::Ordering;
use std::process::Command;

use libfuzzer_sys::fuzz_target;
use vgpu_manifest::DebVersion;

fuzz_target!(|text: &str| {
    let Some((a, b)) = text.split_once('\n') else { return };
    let (Ok(left), Ok(right)) = (a.parse::<DebVersion>(), b.parse::<DebVersion>()) else { return };
    let order = left.cmp(&right);
    assert_eq!(right.cmp(&left), order.reverse());
    assert_eq!(left.cmp(&left), Ordering::Equal);
    let relation = match order {
        Ordering::Less => "lt",
        Ordering::Equal => "eq",
        Ordering::Greater => "gt",
    };
    let mut dpkg = Command::new("dpkg");
    dpkg.args(["--compare-versions", a, relation, b]);
    assert!(dpkg.status().unwrap().success(), "dpkg does not find {a:?} {relation} {b:?}");
});
