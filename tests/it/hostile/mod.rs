//! The collection of hostile bundles: one folder for each fault.
//!
//! Each folder of `tests/hostile` has a script, `make.sh`, which makes the bundle from a good one
//! with standard tools, and `expect`: the exit code of the programs, and fragments of the error. A
//! file `threshold` gives the number of required signatures; the default is 1. A file `only` with the
//! line `node` marks a case that depends on the policy of a node, which the bundler does not have.

mod case;
mod verdict;

use std::collections::BTreeMap;
use std::fs;

use vgpu_tests::sample::{Sample, parts};
use vgpu_tests::skip::have;

use crate::hostile::case::Case;
use crate::hostile::verdict::Judge;

/// Makes every bundle of the collection whose number begins with `hundred`, and checks that it is
/// refused.
fn refuse(hundred: char) {
    if !["tar", "dd", "awk", "ssh-keygen", "sha256sum"].into_iter().all(have) {
        return;
    }
    let sample = Sample::new().unwrap();
    let good = sample.write("good.vgpu.tar", &parts(), &["alice"]).unwrap();
    let judge = Judge::new(&sample).unwrap();
    judge.expect_good(&good);

    let cases: Vec<Case> =
        Case::all().into_iter().filter(|case| case.name.starts_with(hundred)).collect();
    assert!(!cases.is_empty());
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|case| {
            let made = match case.make(&sample, &good) {
                Ok(made) => made,
                Err(problem) => return Some(format!("{}: {problem}", case.name)),
            };
            let problems = judge.problems(case, &made);
            (!problems.is_empty()).then(|| format!("{}: {}", case.name, problems.join("\n  ")))
        })
        .collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    judge.expect_good(&good);
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
    let cases = Case::all();
    let hostile = cases.iter().filter(|case| case.code != 0).count();
    assert!(hostile >= 200, "{hostile}");
    let mut numbers = BTreeMap::new();
    let mut faults = BTreeMap::new();
    for case in &cases {
        let number: String = case.name.chars().take_while(char::is_ascii_digit).collect();
        assert!(number.len() == 3 && case.name[3..].starts_with('-'), "{}", case.name);
        assert_eq!(numbers.insert(number, &case.name), None, "{}", case.name);
        let script = fs::read_to_string(case.folder.join("make.sh")).unwrap();
        let fault = script.lines().next().unwrap().to_owned();
        assert!(fault.starts_with("# ") && fault.ends_with('.'), "{}: {fault}", case.name);
        assert_eq!(faults.insert(fault, &case.name), None, "{}", case.name);
        assert!(case.code == 0 || !case.words.is_empty(), "{} expects no words", case.name);
    }
}
