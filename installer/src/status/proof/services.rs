//! Checks NVIDIA's daemons through systemd.

use std::collections::BTreeMap;

use vgpu_manifest::UnitName;

use super::Finding;
use super::finding::Daemons;
use crate::host::{Command, HostError, Look};

/// The queried unit properties.
const PROPERTIES: &str = "--property=Id,LoadState,ActiveState,SubState,Result,MainPID,InvocationID,Environment,NeedDaemonReload";

/// The state of a unit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct UnitState {
    /// The unit name.
    pub(super) id: String,
    /// Load state: `loaded`, `not-found`, `masked`, …
    load: String,
    /// Active state: `active`, `activating`, `inactive`, `failed`, …
    active: String,
    /// Last result: `success`, `exit-code`, …
    result: String,
    /// The main process, if any.
    pub(super) pid: Option<u32>,
    /// The invocation id in the journal; empty if it was never started.
    pub(super) invocation: String,
    /// The environment.
    pub(super) environment: String,
    /// Whether a `daemon-reload` is needed.
    pub(super) stale: Stale,
}

/// Whether systemd has read the current unit files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Stale {
    #[default]
    No,
    /// `systemctl daemon-reload` is needed.
    Yes,
}

/// Parses `systemctl show`: blocks of `Name=value`, separated by empty lines.
pub(super) fn parse(text: &str) -> Vec<UnitState> {
    let blocks = text.split("\n\n").filter(|block| !block.trim().is_empty());
    blocks
        .map(|block| unit(&block.lines().filter_map(|line| line.split_once('=')).collect()))
        .collect()
}

fn unit(fields: &BTreeMap<&str, &str>) -> UnitState {
    let text = |name| fields.get(name).copied().unwrap_or_default().to_owned();
    UnitState {
        id: text("Id"),
        load: text("LoadState"),
        active: text("ActiveState"),
        result: text("Result"),
        pid: text("MainPID").parse().ok().filter(|pid| *pid != 0),
        invocation: text("InvocationID"),
        environment: text("Environment"),
        stale: if text("NeedDaemonReload") == "yes" { Stale::Yes } else { Stale::No },
    }
}

/// Queries these units; `None` where commands do not run.
pub(super) fn look_at(
    look: &dyn Look,
    units: &[UnitName],
) -> Result<Option<Vec<UnitState>>, HostError> {
    let names = units.iter().map(UnitName::as_str);
    let words: Vec<_> = ["show", PROPERTIES].into_iter().chain(names).collect();
    match look.query(&Command::new("systemctl", &words)) {
        Err(HostError::Start { .. }) => Ok(None),
        Err(error) => Err(error),
        Ok(output) => Ok(output.map(|output| parse(&String::from_utf8_lossy(&output.stdout)))),
    }
}

/// Checks whether the daemons can still announce something: systemd does not start a unit again
/// that has failed or has no valid file.
pub(super) fn daemons(states: Option<&[UnitState]>) -> Daemons {
    let has_failed = |state: &UnitState| state.active == "failed" || state.load != "loaded";
    if states.is_some_and(|states| states.iter().any(has_failed)) {
        Daemons::Failed
    } else {
        Daemons::MayAnnounce
    }
}

/// Checks that the last of `units` runs; the others may have exited successfully.
pub(super) fn check(states: Option<&[UnitState]>, units: &[UnitName]) -> Finding {
    let Some(last) = units.last() else { return Finding::not_asked("the plan starts none") };
    let Some(states) = states else { return Finding::no_commands() };
    for unit in units {
        let state = states.iter().find(|state| state.id == unit.as_str());
        let up = state.is_some_and(|state| {
            let done = state.active == "inactive"
                && state.result == "success"
                && !state.invocation.is_empty();
            state.active == "active" || (unit != last && done)
        });
        if !up {
            return down(unit, state);
        }
    }
    let names: Vec<_> = units.iter().map(UnitName::as_str).collect();
    Finding::good(format!("{} ran and are up", names.join(" and ")))
}

fn down(unit: &UnitName, state: Option<&UnitState>) -> Finding {
    let restart =
        format!("restart it and check its log: `systemctl restart {unit}`, `journalctl -u {unit}`");
    match state {
        None => Finding::missing(format!("systemd does not report on {unit}"), restart),
        Some(state) if state.load != "loaded" => Finding::missing(
            format!("{unit} is {} in systemd", state.load.escape_debug()),
            "apply the bundle again to reinstall the driver",
        ),
        Some(state) => {
            let (active, result) = (state.active.escape_debug(), state.result.escape_debug());
            Finding::missing(format!("{unit} is {active} ({result})"), restart)
        }
    }
}
