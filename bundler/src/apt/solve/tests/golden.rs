//! The exact texts for requests that cannot be satisfied.

use super::archive::{Archives, ask, node, stanzas};
use crate::apt::solve::{Explanation, Node, SolveError};
use crate::types::Upgrades;

fn explained(archives: &Archives, node: &Node, names: &str, upgrades: Upgrades) -> Explanation {
    match ask(archives, node, names, upgrades) {
        Err(SolveError::Unsatisfiable(explanation)) => explanation,
        other => panic!("{other:?}"),
    }
}

/// Checks the lines and the hints of an explanation.
fn is(explanation: &Explanation, text: &str, hints: &[&str]) {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let margin = lines[0].len() - lines[0].trim_start().len();
    let lines: Vec<&str> = lines.into_iter().map(|line| &line[margin..]).collect();
    assert_eq!(explanation.lines, lines);
    assert_eq!(explanation.hints, hints);
}

/// The C library and the compiler of Debian after a point release.
fn toolchain() -> Archives {
    Archives::one(&stanzas(&[
        ("build-essential", "12.9", "Depends: libc6-dev | libc-dev, gcc (>= 4:10)"),
        ("gcc", "4:12.2.0-3", "Depends: gcc-12 (>= 12.2.0-1~)"),
        ("gcc-12", "12.2.0-14", "Depends: libc6 (>= 2.36)"),
        ("libc6", "2.36-9+deb12u10", ""),
        ("libc-bin", "2.36-9+deb12u10", "Depends: libc6 (>> 2.36)"),
        ("libc6-dev", "2.36-9+deb12u10", "Depends: libc6 (= 2.36-9+deb12u10);Provides: libc-dev"),
    ]))
}

#[test]
fn a_library_of_an_older_point_release() {
    let node = node(&[("libc6", "2.36-9+deb12u7", ""), ("libc-bin", "2.36-9+deb12u7", "")]);
    is(
        &explained(&toolchain(), &node, "build-essential", Upgrades::Never),
        r#"
        `build-essential` cannot be installed:
          build-essential 12.9 needs libc6-dev | libc-dev
            libc6-dev 2.36-9+deb12u10 needs libc6 (= 2.36-9+deb12u10): the node has libc6 2.36-9+deb12u7, and `upgrades = "never"`
        "#,
        &[
            "allow `upgrades = \"coupled\"`, which upgrades libc6 2.36-9+deb12u7 → 2.36-9+deb12u10",
            "add an archive that still has libc6-dev 2.36-9+deb12u7, such as a snapshot",
        ],
    );
}

#[test]
fn a_library_on_hold() {
    let text = stanzas(&[("libc6", "2.36-9+deb12u7", "Status: hold ok installed")]);
    is(
        &explained(&toolchain(), &Node::of_status(&text), "libc6-dev", Upgrades::Coupled),
        r"
        `libc6-dev` cannot be installed:
          libc6-dev 2.36-9+deb12u10 needs libc6 (= 2.36-9+deb12u10): the node has libc6 2.36-9+deb12u7, which is on hold
        ",
        &[
            "remove the hold on `libc6` on the node",
            "add an archive that still has libc6-dev 2.36-9+deb12u7, such as a snapshot",
        ],
    );
}

#[test]
fn a_name_without_a_package() {
    is(
        &explained(&toolchain(), &Node::default(), "dkms", Upgrades::Never),
        "`dkms` is not available: no archive has dkms",
        &["add an archive that has dkms"],
    );
    is(
        &explained(&toolchain(), &Node::default(), "gcc=4:13", Upgrades::Never),
        "`gcc=4:13` is not available: main has gcc 4:12.2.0-3",
        &[],
    );
}

#[test]
fn a_name_that_several_have() {
    let archives = Archives::one(&stanzas(&[
        ("exim", "4", "Provides: mail-agent"),
        ("postfix", "3", "Provides: mail-agent"),
    ]));
    is(
        &explained(&archives, &Node::default(), "mail-agent", Upgrades::Never),
        "`mail-agent` is not available: exim and postfix provide it",
        &["request `exim` or `postfix`"],
    );
}

#[test]
fn every_alternative_has_its_own_reason() {
    let archives = Archives::one(&stanzas(&[
        ("app", "1", "Depends: db | db-small | db-other"),
        ("db", "9", "Depends: db-common (>= 9)"),
        ("db-common", "8", ""),
        ("db-small", "2", "Conflicts: store"),
        ("db-other", "3", "Depends: engine"),
        ("engine", "1", "Breaks: proxmox-ve (<< 9)"),
    ]))
    .and("backports", 100, &stanzas(&[("db-common", "9", "")]));
    let node = node(&[("store", "1", ""), ("proxmox-ve", "8.2", "")]);
    is(
        &explained(&archives, &node, "app", Upgrades::All),
        r"
        `app` cannot be installed:
          app 1 needs db | db-small | db-other
            db 9 needs db-common (>= 9): backports has 9, but its priority 100 gives way to the 500 of main
            db-small 2 conflicts with store; the node has store 1
            db-other 3 needs engine
              engine 1 breaks proxmox-ve (<< 9); the node has proxmox-ve 8.2
        ",
        &["request `db-common=9`"],
    );
}

#[test]
fn two_requests_that_exclude_each_other() {
    let archives = Archives::one(&stanzas(&[
        ("exim", "4", "Provides: mail-agent;Conflicts: mail-agent"),
        ("app", "1", "Depends: postfix"),
        ("postfix", "3", "Provides: mail-agent;Conflicts: mail-agent"),
    ]));
    is(
        &explained(&archives, &Node::default(), "exim app", Upgrades::Never),
        r"
        `exim` cannot be installed:
          `app` is requested, too
            app 1 needs postfix
          exim 4 conflicts with mail-agent, which postfix 3 provides
        ",
        &[],
    );
}

#[test]
fn a_version_that_would_be_older_or_two_at_once() {
    let archives = Archives::one(&stanzas(&[
        ("a", "1", ""),
        ("b", "1", "Depends: c (= 1)"),
        ("d", "1", "Depends: c (= 2)"),
        ("c", "1", ""),
        ("c", "2", ""),
    ]));
    is(
        &explained(&archives, &node(&[("a", "2", "")]), "a=1", Upgrades::All),
        "`a=1` is not available: the node has a 2, and packages are never downgraded",
        &[],
    );
    is(
        &explained(&archives, &Node::default(), "b d", Upgrades::Never),
        r"
        `d` cannot be installed:
          d 1 needs c (= 2)
          `b` is requested, too
            b 1 needs c (= 1)
          of c there can be 1 or 2, not both
        ",
        &[],
    );
}

#[test]
fn a_choice_of_which_every_way_fails() {
    let archives = Archives::one(&stanzas(&[
        ("app", "1", "Depends: a | b, c | d"),
        ("a", "1", ""),
        ("b", "1", ""),
        ("c", "1", "Conflicts: a, b"),
        ("d", "1", "Conflicts: a, b"),
    ]));
    let explanation = explained(&archives, &Node::default(), "app", Upgrades::Never);
    is(
        &explanation,
        r"
        `app` cannot be installed:
          app 1 needs a | b
            with a 1:
              app 1 needs c | d
              c 1 conflicts with a
              d 1 conflicts with a
            with b 1:
              app 1 needs c | d
              c 1 conflicts with b
              d 1 conflicts with b
        ",
        &[],
    );
}
