//! The collection of hostile bundles: one folder for each fault.
//!
//! Each folder of `tests/hostile` has a script, `make.sh`, which makes the bundle from a good one
//! with standard tools, and `expect`: the exit code of the programs, and fragments of the error. A
//! file `threshold` gives the number of required signatures; the default is 1. A file `only` with the
//! line `node` marks a case that depends on the policy of a node, which the bundler does not have.

mod verdict;

use std::collections::BTreeMap;
use std::fs;

use vgpu_tests::conformance::{INDEX, Index, Script, TOOLS, write};
use vgpu_tests::sample::Sample;
use vgpu_tests::skip::have;

use crate::hostile::verdict::Judge;

/// Writes the part of the conformance kit whose numbers begin with `hundred`, and checks that this
/// project's verifiers reach the verdicts in its index, by nothing but the files of the kit.
fn refuse(hundred: char) {
    if !TOOLS.into_iter().all(have) {
        return;
    }
    let sample = Sample::new().unwrap();
    let kit = sample.path("kit");
    write(&sample, &kit, |name| name.starts_with(hundred)).unwrap();
    let index = fs::read(kit.join(INDEX)).unwrap();
    let cases = serde_json::from_slice::<Index>(&index).unwrap().cases;
    assert!(cases.len() > 2);
    let judge = Judge::new(&kit).unwrap();
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|case| {
            let problems = judge.problems(case);
            (!problems.is_empty()).then(|| format!("{}: {}", case.name, problems.join("\n  ")))
        })
        .collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    // No bundle has changed the verdict on the good ones, which come first.
    assert!(cases[..2].iter().all(|case| judge.problems(case).is_empty()));
}

#[test]
fn what_is_good_is_accepted() {
    refuse('0');
}

#[test]
fn names() {
    refuse('1');
}

#[test]
fn headers() {
    refuse('2');
}

#[test]
fn archives() {
    refuse('3');
}

#[test]
fn signed_roots() {
    refuse('4');
}

#[test]
fn signatures() {
    refuse('5');
}

#[test]
fn manifests() {
    refuse('6');
}

#[test]
fn files() {
    refuse('7');
}

#[test]
fn mixtures() {
    refuse('8');
}

#[test]
fn terminals() {
    refuse('9');
}

/// Numbers are unique, every script describes its fault in its first line, and no two descriptions
/// are equal.
#[test]
fn the_collection_is_in_order() {
    let scripts = Script::all().unwrap();
    let hostile = scripts.iter().filter(|script| script.exit != 0).count();
    assert!(hostile >= 200, "{hostile}");
    let mut numbers = BTreeMap::new();
    let mut faults = BTreeMap::new();
    for script in &scripts {
        let Script { name, fault, exit, reason, .. } = script;
        let number: String = name.chars().take_while(char::is_ascii_digit).collect();
        assert!(number.len() == 3 && name[3..].starts_with('-'), "{name}");
        assert_ne!(number, "000", "{name}: the number of the good bundles");
        assert_eq!(numbers.insert(number, name), None, "{name}");
        assert!(fault.starts_with("# ") && fault.ends_with('.'), "{name}: {fault}");
        assert_eq!(faults.insert(fault, name), None, "{name}");
        assert!(*exit == 0 || !reason.is_empty(), "{name} expects no words");
    }
}
