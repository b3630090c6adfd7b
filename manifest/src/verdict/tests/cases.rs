//! The cases of `cases.toml` and `boards.toml`.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::CATALOG;
use crate::catalog::{DriverFile, EvidenceId, Modules, Release, Rule, State};
use crate::platform::{
    BootLoader, CpuVendor, KernelRelease, PciId, PveRelease, RootFs, SecureBoot,
};
use crate::verdict::{
    Case, Compiled, Export, Findings, Goal, Listing, Mode, PoolFeatures, Suitable, Target,
    Unsuitable, Verdict, judge,
};

#[derive(Deserialize)]
struct File {
    case: Vec<Row>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Row {
    pain: Option<u8>,
    gpu: PciId,
    driver: Option<Release>,
    file: Option<DriverFile>,
    goal: Option<Mode>,
    pve: Option<PveRelease>,
    kernel: Option<KernelRelease>,
    secure_boot: Option<SecureBoot>,
    boot_loader: Option<BootLoader>,
    root: Option<RootFs>,
    pool: Option<PoolFeatures>,
    cpu: Option<CpuVendor>,
    apicv: Option<Export>,
    listed: Option<Listing>,
    compiled: Option<Compiled>,
    is: String,
    #[serde(default)]
    doubts: Vec<Rule>,
    rule: Option<Rule>,
    instead: Option<String>,
    args: Option<Vec<String>>,
    modules: Option<Modules>,
    library: Option<String>,
    #[serde(default)]
    says: Vec<String>,
    cites: Vec<EvidenceId>,
}

fn rows() -> Vec<Row> {
    let files = [include_str!("cases.toml"), include_str!("boards.toml")];
    files.iter().flat_map(|text| toml::from_str::<File>(text).unwrap().case).collect()
}

fn case(row: &Row) -> Case {
    let row = row.clone();
    let goal = match (row.goal, row.driver) {
        (Some(Mode::Passthrough), None) => Goal::Passthrough,
        (None, Some(driver)) => Goal::Vgpu { driver, file: row.file },
        _ => panic!("{row:?} wants neither a vGPU nor a passthrough"),
    };
    let target = Target {
        pve: row.pve,
        kernel: row.kernel,
        secure_boot: row.secure_boot,
        boot_loader: row.boot_loader,
        root: row.root,
        pool: row.pool,
        cpu: row.cpu,
    };
    let findings = Findings { apicv: row.apicv, listed: row.listed, compiled: row.compiled };
    Case { gpu: row.gpu, goal, target, findings }
}

#[test]
fn the_verdict_says_what_the_facts_say() {
    let mut wrong = Vec::new();
    for row in rows() {
        let verdict = judge(&CATALOG, &case(&row));
        let text = format!("{verdict:#}");
        let faults = match &verdict {
            Verdict::Suitable(suitable) => suitable_faults(&row, suitable),
            Verdict::Unsuitable(unsuitable) => unsuitable_faults(&row, unsuitable),
        };
        let silent = row.says.iter().filter(|says| !text.contains(*says));
        let uncited = row.cites.iter().filter(|id| {
            let source = &CATALOG.evidence(id).expect("evidence that exists").source;
            !text.contains(source)
        });
        let faults: Vec<_> = faults
            .into_iter()
            .chain(silent.map(|says| format!("does not say {says:?}")))
            .chain(uncited.map(|id| format!("does not cite {id}")))
            .collect();
        if !faults.is_empty() {
            wrong.push(format!("{:?}\n  {}\n{text}", case(&row), faults.join("\n  ")));
        }
    }
    assert!(wrong.is_empty(), "{} cases are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

fn suitable_faults(row: &Row, verdict: &Suitable<'_>) -> Vec<String> {
    let mut faults = Vec::new();
    let mut check = |what: &str, right: bool, found: String| {
        if !right {
            faults.push(format!("{what} is {found}"));
        }
    };
    let doubts: Vec<_> = verdict.doubts.iter().map(|doubt| doubt.statement.rule).collect();
    check("mode", row.is == verdict.mode.as_str(), verdict.mode.to_string());
    check("doubts", row.doubts == doubts, format!("{doubts:?}"));
    check("state", (verdict.state == State::Unproven) != doubts.is_empty(), String::new());
    let install = verdict.driver.as_ref();
    let args = install.map(|install| install.args.clone());
    check("args", row.args.is_none() || row.args == args, format!("{args:?}"));
    let modules = install.map(|install| install.modules);
    check("modules", row.modules.is_none() || row.modules == modules, format!("{modules:?}"));
    let library = verdict.unlock.as_ref().and_then(|unlock| unlock.library);
    let library = library.map(|library| library.id.to_string());
    check("library", row.library.is_none() || row.library == library, format!("{library:?}"));
    faults
}

fn unsuitable_faults(row: &Row, verdict: &Unsuitable<'_>) -> Vec<String> {
    let mut faults = Vec::new();
    if row.is != "unsuitable" {
        faults.push("is unsuitable".to_owned());
    }
    if row.rule != Some(verdict.rule()) {
        faults.push(format!("rule is {}", verdict.rule()));
    }
    let first = verdict.nearest.first().map(ToString::to_string);
    if row.instead.is_some() && row.instead != first {
        faults.push(format!("offers {first:?} first"));
    }
    faults
}

#[test]
fn there_are_enough_cases_and_each_is_there_once() {
    let rows = rows();
    assert!(rows.len() >= 200, "only {} cases", rows.len());
    let all: BTreeSet<_> = rows.iter().map(|row| format!("{:?}", case(row))).collect();
    assert_eq!(all.len(), rows.len());
}

/// These topics of complaints need no verdict: downloads (6), leftovers (10), repositories (11),
/// stale mediated devices (16), several GPUs (17, judged one by one) and the script's own bugs
/// (19).
#[test]
fn every_complaint_that_a_verdict_can_answer_has_a_case() {
    let answered: BTreeSet<_> = rows().iter().filter_map(|row| row.pain).collect();
    assert_eq!(answered, BTreeSet::from([1, 2, 3, 4, 5, 7, 8, 9, 12, 13, 14, 15, 18, 20]));
}

#[test]
fn every_rule_has_a_case() {
    let mut seen = BTreeSet::new();
    for row in rows() {
        match judge(&CATALOG, &case(&row)) {
            Verdict::Suitable(it) => {
                seen.extend(it.doubts.iter().map(|doubt| doubt.statement.rule));
                seen.extend(it.warnings.iter().chain(&it.console).map(|note| note.rule));
            }
            Verdict::Unsuitable(it) => {
                seen.insert(it.rule());
            }
        }
    }
    // Evidence only: the modules of a suitable case, conflicts that need several GPUs, and drivers
    // that need a file.
    let silent = [Rule::Modules, Rule::OneDriver, Rule::NewerDriver];
    let unseen: Vec<_> =
        Rule::ALL.iter().filter(|rule| !seen.contains(rule) && !silent.contains(rule)).collect();
    assert!(unseen.is_empty(), "{unseen:?}");
}
