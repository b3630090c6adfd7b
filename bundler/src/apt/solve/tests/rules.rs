//! Tests of single rules of apt.

use vgpu_manifest::inventory::PackageName;

use super::archive::{Archives, ask, brought, node, stanzas};
use crate::apt::solve::{Cause, Node, SolveError};
use crate::types::Upgrades;

/// Returns the packages added to a node, or why there are none.
fn solved(archives: &Archives, node: &Node, names: &str, upgrades: Upgrades) -> String {
    match ask(archives, node, names, upgrades) {
        Ok(solution) => brought(&solution),
        Err(SolveError::Unsatisfiable(explanation)) => explanation.lines.join("\n"),
        Err(error) => error.to_string(),
    }
}

/// Returns the packages added to an empty node.
fn fresh(packages: &[(&str, &str, &str)], names: &str) -> String {
    solved(&Archives::one(&stanzas(packages)), &Node::default(), names, Upgrades::Never)
}

#[test]
fn needs_of_needs_come_along() {
    let packages = [
        ("a", "1", "Depends: b, c (>= 2)"),
        ("b", "1", "Pre-Depends: d"),
        ("c", "2", ""),
        ("d", "1", "Depends: a"),
        ("e", "1", ""),
    ];
    assert_eq!(fresh(&packages, "a"), "a=1 b=1 c=2 d=1");
    assert_eq!(fresh(&packages, "e c"), "c=2 e=1");
}

#[test]
fn recommendations_do_not_come_along() {
    assert_eq!(fresh(&[("a", "1", "Recommends: b;Suggests: c"), ("b", "1", "")], "a"), "a=1");
}

#[test]
fn the_first_alternative_that_can_be_had_is_taken() {
    let packages = [
        ("a", "1", "Depends: missing | b (>= 2) | c | d"),
        ("b", "1", ""),
        ("c", "1", "Depends: missing"),
        ("d", "1", ""),
    ];
    assert_eq!(fresh(&packages, "a"), "a=1 d=1");
}

#[test]
fn an_alternative_that_is_there_or_asked_for_needs_nothing_more() {
    let archives =
        Archives::one(&stanzas(&[("a", "1", "Depends: b | c"), ("b", "1", ""), ("c", "1", "")]));
    assert_eq!(solved(&archives, &node(&[("c", "1", "")]), "a", Upgrades::Never), "a=1");
    assert_eq!(solved(&archives, &Node::default(), "a c", Upgrades::Never), "a=1 c=1");
}

#[test]
fn a_real_package_is_better_than_one_that_provides_it() {
    let packages = [
        ("a", "1", "Depends: mail"),
        ("b", "1", "Provides: mail;Priority: required"),
        ("mail", "1", ""),
    ];
    assert_eq!(fresh(&packages, "a"), "a=1 mail=1");
}

#[test]
fn of_those_that_provide_something_the_most_important_is_taken() {
    let packages = [
        ("a", "1", "Depends: mail"),
        ("b", "1", "Provides: mail;Priority: optional"),
        ("c", "1", "Provides: mail;Priority: standard"),
        ("d", "1", "Provides: mail;Priority: extra"),
    ];
    assert_eq!(fresh(&packages, "a"), "a=1 c=1");
}

#[test]
fn only_what_is_provided_with_a_version_satisfies_a_bound() {
    let packages = [
        ("a", "1", "Depends: x (>= 2)"),
        ("b", "9", "Provides: x"),
        ("c", "1", "Provides: x (= 1)"),
        ("d", "1", "Provides: x (= 3)"),
    ];
    assert_eq!(fresh(&packages, "a"), "a=1 d=1");
}

#[test]
fn a_kernel_of_proxmox_provides_headers_by_the_usual_name() {
    let packages = [
        ("proxmox-headers-6.8.12-9-pve", "6.8.12-9", "Provides: linux-headers-6.8.12-9-pve"),
        ("proxmox-headers-6.8", "6.8.12-9", "Depends: proxmox-headers-6.8.12-9-pve"),
        ("dkms", "3", "Depends: linux-headers-6.8.12-9-pve"),
    ];
    let headers = "proxmox-headers-6.8.12-9-pve=6.8.12-9";
    assert_eq!(fresh(&packages, "linux-headers-6.8.12-9-pve"), headers);
    assert_eq!(fresh(&packages, "dkms"), format!("dkms=3 {headers}"));
}

#[test]
fn any_architecture_must_be_allowed_by_the_package() {
    let packages = [("a", "1", "Depends: b:any"), ("b", "1", "Multi-Arch: foreign")];
    assert!(fresh(&packages, "a").starts_with("`a` cannot be installed"));
    let packages = [("a", "1", "Depends: b:any"), ("b", "1", "Multi-Arch: allowed")];
    assert_eq!(fresh(&packages, "a"), "a=1 b=1");
    let packages = [("a", "1", "Depends: b:i386 | b:native"), ("b", "1", "")];
    assert_eq!(fresh(&packages, "a"), "a=1 b=1");
    assert!(fresh(&[("a", "1", "Depends: b:i386"), ("b", "1", "")], "a").contains("cannot"));
}

#[test]
fn what_conflicts_is_not_brought_together() {
    let packages = [
        ("a", "1", "Depends: b | c;Conflicts: x"),
        ("b", "1", "Provides: x"),
        ("c", "1", "Breaks: b"),
    ];
    assert_eq!(fresh(&packages, "a"), "a=1 c=1");
    assert!(fresh(&packages, "a b").contains("conflicts with x, which b 1 provides"));
    assert!(fresh(&packages, "c b").contains("c 1 breaks b"));
    // A package may conflict with all other providers of a name that it provides.
    assert_eq!(fresh(&[("a", "1", "Provides: x;Conflicts: x")], "a"), "a=1");
}

#[test]
fn nothing_that_is_there_is_removed() {
    let archives = Archives::one(&stanzas(&[
        ("a", "1", "Conflicts: b;Replaces: b;Provides: b"),
        ("c", "1", "Depends: a | d"),
        ("d", "1", ""),
    ]));
    let node = node(&[("b", "1", "")]);
    for upgrades in [Upgrades::Never, Upgrades::Coupled, Upgrades::All] {
        let error = solved(&archives, &node, "a", upgrades);
        assert!(error.contains("a 1 conflicts with b; the node has b 1"), "{error}");
        assert_eq!(solved(&archives, &node, "c", upgrades), "c=1 d=1");
    }
}

#[test]
fn the_archive_that_weighs_most_is_asked_first_whatever_it_has() {
    let old = stanzas(&[("a", "1", ""), ("b", "1", "")]);
    let new = stanzas(&[("a", "2", ""), ("c", "1", "Depends: a (>= 2)")]);
    let fresh = |pin: i16, names: &str| {
        let archives = Archives::one(&old).and("new", pin, &new);
        solved(&archives, &Node::default(), names, Upgrades::Never)
    };
    assert_eq!(fresh(500, "a"), "a=2");
    assert_eq!(fresh(990, "a"), "a=2");
    assert_eq!(fresh(100, "a"), "a=1");
    assert_eq!(fresh(100, "a=2"), "a=2");
    assert_eq!(fresh(100, "a=2 c"), "a=2 c=1");
    assert!(
        fresh(100, "c").contains("new has 2, but its priority 100 gives way to the 500 of main")
    );
    assert!(fresh(-1, "c").contains("new has 1, but its priority is -1"));
    assert!(fresh(-1, "a=2").contains("its priority is -1"));
}

#[test]
fn an_older_version_of_the_same_weight_serves_where_the_newest_does_not_fit() {
    let archives =
        Archives::one(&stanzas(&[("libc6", "3", ""), ("libc6-dev", "3", "Depends: libc6 (= 3)")]));
    let node = node(&[("libc6", "2", "")]);
    let ask = |archives: &Archives, upgrades| solved(archives, &node, "libc6-dev", upgrades);
    assert!(ask(&archives, Upgrades::Never).contains("the node has libc6 2"));
    assert_eq!(ask(&archives, Upgrades::Coupled), "libc6=3 libc6-dev=3");
    let snapshot = archives.and(
        "snapshot",
        500,
        &stanzas(&[("libc6", "2", ""), ("libc6-dev", "2", "Depends: libc6 (= 2)")]),
    );
    assert_eq!(ask(&snapshot, Upgrades::Never), "libc6-dev=2");
    // No upgrade if there is a solution without one.
    assert_eq!(ask(&snapshot, Upgrades::Coupled), "libc6-dev=2");
}

#[test]
fn an_upgrade_takes_along_what_is_tied_to_it_and_nothing_else() {
    let archives = Archives::one(&stanzas(&[
        ("libc6", "3", "Breaks: old (<< 2)"),
        ("libc-bin", "3", "Depends: libc6 (= 3)"),
        ("libc6-dev", "3", "Depends: libc6 (= 3)"),
        ("old", "2", ""),
        ("other", "2", "Depends: libc6"),
    ]))
    .and("snapshot", 400, &stanzas(&[("libc6", "2", "")]));
    let node = node(&[
        ("libc6", "2", ""),
        ("libc-bin", "2", "Depends: libc6 (= 2)"),
        ("old", "1", ""),
        ("other", "1", "Depends: libc6"),
    ]);
    let solution = ask(&archives, &node, "libc6-dev", Upgrades::Coupled).unwrap();
    assert_eq!(brought(&solution), "libc-bin=3 libc6=3 libc6-dev=3 old=2");
    let causes: Vec<String> = solution
        .changes
        .iter()
        .map(|change| match &change.cause {
            Cause::Because(reason) => reason.to_string(),
            other => format!("{other:?}"),
        })
        .collect();
    assert_eq!(
        causes,
        [
            "libc-bin 2 needs libc6 (= 2)",
            "libc6-dev 3 needs libc6 (= 3)",
            "Requested",
            "libc6 3 breaks old (<< 2)",
        ]
    );
    let returns = solution.changes.iter().filter_map(|change| change.installed.as_ref());
    let returns: Vec<bool> = returns.map(|installed| installed.offered.is_some()).collect();
    assert_eq!(returns, [false, true, false]);
    let all = ask(&archives, &node, "libc6-dev", Upgrades::All).unwrap();
    assert_eq!(brought(&all), "libc-bin=3 libc6=3 libc6-dev=3 old=2 other=2");
}

#[test]
fn who_allows_upgrades_gets_the_compiler_that_apt_would_choose() {
    let archives = Archives::one(&stanzas(&[
        ("dkms", "1", "Depends: gcc | c-compiler"),
        ("gcc", "2", "Depends: gcc-base (= 2)"),
        ("gcc-base", "2", ""),
        ("tcc", "1", "Provides: c-compiler"),
    ]));
    let node = node(&[("gcc-base", "1", "")]);
    assert_eq!(solved(&archives, &node, "dkms", Upgrades::Coupled), "dkms=1 gcc=2 gcc-base=2");
    assert_eq!(solved(&archives, &node, "dkms", Upgrades::Never), "dkms=1 tcc=1");
}

#[test]
fn what_is_asked_for_and_there_stays_as_it_is() {
    let archives = Archives::one(&stanzas(&[("a", "2", "")]));
    let node = node(&[("a", "1", "")]);
    assert_eq!(solved(&archives, &node, "a", Upgrades::Never), "");
    assert_eq!(solved(&archives, &node, "a", Upgrades::Coupled), "");
    assert_eq!(solved(&archives, &node, "a=1", Upgrades::All), "");
    assert_eq!(solved(&archives, &node, "a", Upgrades::All), "a=2");
    assert_eq!(solved(&archives, &node, "a=2", Upgrades::Coupled), "a=2");
    assert!(solved(&archives, &node, "a=2", Upgrades::Never).contains("the node has a 1"));
}

#[test]
fn nothing_is_made_older() {
    let archives =
        Archives::one(&stanzas(&[("a", "1", "")])).and("x", 1001, &stanzas(&[("b", "1", "")]));
    let node = node(&[("a", "2", ""), ("b", "2", "")]);
    assert!(
        solved(&archives, &node, "a=1", Upgrades::All).contains("packages are never downgraded")
    );
    assert_eq!(solved(&archives, &node, "b", Upgrades::All), "");
}

#[test]
fn what_is_held_or_protected_stays() {
    let archives = Archives::one(&stanzas(&[
        ("a", "2", ""),
        ("b", "1", "Depends: a (>= 2)"),
        ("proxmox-ve", "9", ""),
        ("c", "1", "Breaks: proxmox-ve (<< 9)"),
        ("d", "1", "Conflicts: proxmox-ve"),
    ]));
    let text = stanzas(&[("a", "1", "Status: hold ok installed")])
        + &stanzas(&[("proxmox-ve", "8", "Status: install ok installed")]);
    let node = Node::of_status(&text);
    for upgrades in [Upgrades::Never, Upgrades::Coupled, Upgrades::All] {
        assert_eq!(solved(&archives, &node, "", upgrades), "");
        assert!(solved(&archives, &node, "b", upgrades).contains("a 1, which is on hold"));
        assert!(solved(&archives, &node, "c", upgrades).contains("the node has proxmox-ve 8"));
        assert!(solved(&archives, &node, "d", upgrades).contains("the node has proxmox-ve 8"));
    }
}

#[test]
fn with_all_upgrades_what_does_not_go_with_the_rest_is_kept_back() {
    let archives = Archives::one(&stanzas(&[
        ("a", "2", "Depends: new"),
        ("b", "2", "Breaks: c"),
        ("c", "2", ""),
        ("new", "1", ""),
    ]));
    let node = node(&[("a", "1", ""), ("b", "1", ""), ("c", "1", ""), ("d", "1", "")]);
    let solution = ask(&archives, &node, "", Upgrades::All).unwrap();
    assert_eq!(brought(&solution), "a=2 c=2 new=1");
    let kept_back: Vec<_> = solution.kept_back.iter().map(PackageName::as_str).collect();
    assert_eq!(kept_back, ["b"]);
}

#[test]
fn what_a_node_says_nothing_about_is_taken_from_the_archives() {
    let inventory = |packages: &[(&str, &str)]| {
        let package = |(name, version): &(&str, &str)| {
            let json = format!(r#"{{"name":"{name}","arch":"amd64","version":"{version}"}}"#);
            serde_json::from_str(&json).unwrap()
        };
        Node::of_inventory(&packages.iter().map(package).collect::<Vec<_>>())
    };
    let archives = Archives::one(&stanzas(&[
        ("libc6", "3", ""),
        // No archive has the installed version, which depended on its own libc6 like this one.
        ("libc-bin", "3", "Depends: libc6 (= 3), brand-new"),
        ("libc6-dev", "3", "Depends: libc6 (= 3), awk"),
        ("mawk", "1", "Provides: awk"),
        ("brand-new", "1", ""),
    ]));
    let node = inventory(&[("libc6", "2"), ("libc-bin", "2"), ("mawk", "1"), ("local", "1")]);
    assert_eq!(
        solved(&archives, &node, "libc6-dev", Upgrades::Coupled),
        "brand-new=1 libc-bin=3 libc6=3 libc6-dev=3"
    );
}

#[test]
fn the_order_of_everything_is_without_meaning() {
    let mut packages = vec![
        ("a", "1", "Depends: m | n, v"),
        ("b", "1", "Depends: v, w"),
        ("m", "1", "Conflicts: w"),
        ("n", "1", ""),
        ("p", "1", "Provides: v, w"),
        ("q", "1", "Provides: v, w"),
        ("r", "1", "Provides: w"),
        ("a", "2", "Depends: n | m, v"),
    ];
    let first = fresh(&packages, "a b");
    for turn in 0..packages.len() {
        packages.rotate_left(1);
        packages.swap(0, turn);
        assert_eq!(fresh(&packages, "a b"), first);
        assert_eq!(fresh(&packages, "b a"), first);
    }
}
