//! Checks whether the unlock library is loaded into NVIDIA's daemons.
//!
//! There are three sources, the strongest first: the memory of the running process; the journal
//! of each unit's last start, where the loader reports a library that it cannot load; and the
//! environment that systemd sets for the next start.

use super::Finding;
use super::expected::{Expected, Preload};
use super::services::{Stale, UnitState};
use crate::host::{Command, HostError, Look};
use crate::state::fixed;
use crate::step::LIBRARY;

pub(super) fn check(
    look: &dyn Look,
    units: Option<&[UnitState]>,
    expected: &Expected,
) -> Result<Finding, HostError> {
    if expected.preload == Preload::Nothing {
        return Ok(Finding::not_asked("no GPU is unlocked"));
    }
    let Some(units) = units else { return Ok(Finding::no_commands()) };
    if units.len() < expected.services.len() {
        return Ok(Finding::not_asked("systemd does not report how it starts the services"));
    }
    if look.stat(&fixed(LIBRARY))?.is_none() {
        return Ok(Finding::missing(
            format!("the unlock library is missing: {LIBRARY}"),
            "apply the bundle again and restart the services",
        ));
    }
    let restart = || {
        let names: Vec<_> = units.iter().map(|unit| unit.id.escape_debug().to_string()).collect();
        format!("`systemctl daemon-reload`, `systemctl restart {}`", names.join(" "))
    };
    for unit in units {
        let id = unit.id.escape_debug();
        let wanted = format!("LD_PRELOAD={LIBRARY}");
        if unit.stale == Stale::Yes
            || !unit.environment.split_whitespace().any(|word| word == wanted)
        {
            return Ok(Finding::missing(
                format!("systemd does not preload the library into {id}"),
                restart(),
            ));
        }
    }
    if let Some(line) = complaint(look, units)? {
        return Ok(Finding::missing(
            format!("the library was not loaded; the journal has: {line}"),
            "apply a bundle with a library for this host's glibc and restart the services",
        ));
    }
    let mut seen = Vec::new();
    for unit in units {
        let Some(pid) = unit.pid else { continue };
        match is_in(look, pid) {
            Some(Mapped::Yes) => seen.push(format!("{} (process {pid})", unit.id.escape_debug())),
            Some(Mapped::No) => {
                let id = unit.id.escape_debug();
                return Ok(Finding::missing(
                    format!("{id} runs without the library: it was started too early"),
                    restart(),
                ));
            }
            None => {}
        }
    }
    Ok(Finding::good(if seen.is_empty() {
        "both daemons were started with the library, without errors in the journal".to_owned()
    } else {
        format!("the library is loaded into {}", seen.join(" and "))
    }))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mapped {
    Yes,
    No,
}

/// Checks the memory of a process; `None` if it cannot be read, as when it has just exited.
fn is_in(look: &dyn Look, pid: u32) -> Option<Mapped> {
    let maps = look.text(&fixed(&format!("/proc/{pid}/maps"))).ok().flatten()?;
    Some(if maps.contains(LIBRARY) { Mapped::Yes } else { Mapped::No })
}

/// Returns the loader's errors about the library at each unit's last start.
fn complaint(look: &dyn Look, units: &[UnitState]) -> Result<Option<String>, HostError> {
    let marks = units.iter().filter(|unit| !unit.invocation.is_empty());
    let marks: Vec<_> =
        marks.map(|unit| format!("_SYSTEMD_INVOCATION_ID={}", unit.invocation)).collect();
    if marks.is_empty() {
        return Ok(None);
    }
    let options = ["--output=cat", "--no-pager", "--lines=500"];
    let words: Vec<_> = options.into_iter().chain(marks.iter().map(String::as_str)).collect();
    match look.query(&Command::new("journalctl", &words)) {
        Err(HostError::Start { .. }) | Ok(None) => Ok(None),
        Err(error) => Err(error),
        Ok(Some(output)) => Ok(complaint_in(&String::from_utf8_lossy(&output.stdout))),
    }
}

/// `ERROR: ld.so: object '…' from LD_PRELOAD cannot be preloaded (…): ignored.`
fn complaint_in(text: &str) -> Option<String> {
    let complains =
        |line: &&str| line.contains("LD_PRELOAD cannot be preloaded") && line.contains(LIBRARY);
    text.lines().find(complains).map(|line| line.trim().to_owned())
}
