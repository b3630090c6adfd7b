use serde::Serialize;

use super::Consent;
use crate::cli::{Advise as _, Exit, Refused, Target};
use crate::host::real::LockError;
use crate::host::{HostPath, PathError};
use crate::journal::Depth;
use crate::locked_host::LockedHostError;
use crate::repair::{self, Finding, Heal, Journal, Part, Weight, examine, odd_names};
use crate::state;
use crate::ui::{Format, Tone, Ui, printable};

/// Find damage to the installer's own state, and repair it.
///
/// Checks the journal, the undo store, the item store, the floors, the list of bundles and the
/// installer's other files. Without options, changes nothing and prints the commands that fix each
/// finding. Exits with 1 if damage is left.
#[derive(Debug, clap::Args)]
pub(crate) struct Repair {
    /// Apply every fix that loses nothing: copies, indexes that can be rebuilt, and records that
    /// count as empty
    #[arg(long)]
    heal: bool,
    /// Give up a path that cannot be repaired (repeatable): a file that a revert then keeps, or a
    /// file of the installer. The loss is listed first
    #[arg(long, value_name = "PATH", value_parser = path)]
    give_up: Vec<HostPath>,
    #[command(flatten)]
    consent: Consent,
}

fn path(text: &str) -> Result<HostPath, PathError> {
    HostPath::new(text)
}

/// The damage to the installer's own state.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Document<'f> {
    /// The damage.
    findings: &'f [Finding],
    /// The number of names that are not UTF-8. They are ignored.
    ignored_names: usize,
}

impl Repair {
    pub(crate) fn run(self, target: &Target, ui: &Ui) -> anyhow::Result<Exit> {
        if let Some(holder) = target.host.lock_holder(&state::lock()).ok().flatten() {
            return Err(LockError::Held(holder).into());
        }
        let findings = damage(target, Depth::Bytes)?;
        if ui.format() == Format::Json && !self.heal && self.give_up.is_empty() {
            let ignored_names = odd_names(&target.host);
            ui.print_json(&Document { findings: &findings, ignored_names })?;
            return Ok(exit(&findings));
        }
        if !self.heal && self.give_up.is_empty() {
            print(&findings, odd_names(&target.host), ui)?;
            return Ok(exit(&findings));
        }
        target.check_may_change()?;
        let given_up = self.given_up(&findings)?;
        self.show(&findings, &given_up, ui);
        self.consent.ask(ui, "Repair this?")?;
        if self.heal {
            for (heal, healed) in heal(target, &findings)? {
                let (tone, text) = match healed {
                    Ok(()) => (Tone::Good, format!("repaired: {}", heal.summary())),
                    Err(error) => (Tone::Bad, format!("cannot {}: {error:#}", heal.summary())),
                };
                ui.say(ui.paint_talk(tone, &printable(&text)));
            }
        }
        for finding in given_up {
            for line in give_up(target, finding)? {
                ui.say(printable(&line));
            }
        }
        let left = damage(target, Depth::Bytes)?;
        print(&left, odd_names(&target.host), ui)?;
        Ok(exit(&left))
    }

    /// Returns the findings to give up.
    fn given_up<'f>(&self, findings: &'f [Finding]) -> anyhow::Result<Vec<&'f Finding>> {
        let find = |path: &HostPath| {
            let found = findings.iter().find(|it| it.path == *path && !it.lost.is_empty());
            found.ok_or_else(|| Refused::Senseless(format!("nothing is lost at {path}")))
        };
        let found: Result<Vec<_>, _> = self.give_up.iter().map(find).collect();
        found.hint("run `vgpu-installer repair` to list the paths that can be given up")
    }

    fn show(&self, findings: &[Finding], given_up: &[&Finding], ui: &Ui) {
        for heal in findings.iter().filter_map(|it| it.heal.as_ref()).filter(|_| self.heal) {
            ui.say(printable(&format!("to repair: {}", heal.summary())));
        }
        for finding in given_up {
            ui.say(printable(&format!("to give up: {}", finding.path)));
            for lost in &finding.lost {
                ui.say(format_args!("  {} {}", ui.paint_talk(Tone::Bad, "lost:"), printable(lost)));
            }
        }
    }
}

fn exit(findings: &[Finding]) -> Exit {
    if findings.is_empty() { Exit::Done } else { Exit::Failed }
}

/// Returns the damage to the installer's own state. Changes nothing and takes no lock: of a host that a
/// run is changing, the findings may be those of a state in between.
pub(super) fn damage(target: &Target, depth: Depth) -> anyhow::Result<Vec<Finding>> {
    match target.again()?.journaled() {
        Ok(Some(journaled)) => journaled.damage(depth),
        Ok(None) => examine(&target.host, Journal::None, depth),
        Err(LockedHostError::Lost(lost)) => {
            examine(&target.host, Journal::Damaged(lost.defect), depth)
        }
        Err(error) if error.is_damage() => {
            examine(&target.host, Journal::Damaged(&error.to_string()), depth)
        }
        Err(error) => Err(error.into()),
    }
}

/// Applies every fix that loses nothing. A fix that fails does not prevent the others.
fn heal<'f>(
    target: &Target,
    findings: &'f [Finding],
) -> anyhow::Result<Vec<(&'f Heal, anyhow::Result<()>)>> {
    let mut target = target.again()?;
    // The lock needs its folder, and its file.
    let (first, rest): (Vec<_>, Vec<_>) =
        findings.iter().partition(|it| matches!(it.part, Part::Folder | Part::Lock));
    let fixes = |of: Vec<&'f Finding>| of.into_iter().filter_map(|it| it.heal.as_ref());
    let mut done = Vec::new();
    for fix in fixes(first) {
        done.push((fix, repair::heal(&mut target.host, fix)));
    }
    let _lock = target.lock()?;
    for fix in fixes(rest) {
        done.push((fix, repair::heal(&mut target.host, fix)));
    }
    Ok(done)
}

/// Gives up what a finding is about, and returns a line for each consequence. What can be repaired is
/// repaired instead.
fn give_up(target: &Target, finding: &Finding) -> anyhow::Result<Vec<String>> {
    let mut target = target.again()?;
    if let Some(heal) = &finding.heal {
        let _lock = target.lock()?;
        if repair::heal(&mut target.host, heal).is_ok() {
            return Ok(vec![format!("{}: repaired, nothing is lost", finding.path)]);
        }
    }
    let needs_journal = matches!(finding.part, Part::UndoStore | Part::Floors);
    if needs_journal && let Ok(Some(mut locked)) = target.again()?.find_locked() {
        return locked.give_up(finding);
    }
    let _lock = target.lock()?;
    repair::give_up(&mut target.host, finding, None)
}

fn print(findings: &[Finding], odd: usize, ui: &Ui) -> std::io::Result<()> {
    for Finding { path, defect, weight, ways, lost, .. } in findings {
        let (tone, mark) = match weight {
            Weight::Harmful => (Tone::Bad, "damaged"),
            Weight::Harmless => (Tone::Warn, "damaged, harmless"),
        };
        let text = printable(&format!("{path}: {defect}"));
        ui.print(format_args!("{}  {text}", ui.paint(tone, mark)))?;
        for (i, way) in ways.iter().enumerate() {
            let word = if i == 0 { "run" } else { " or" };
            ui.print(format_args!("  {word}: {}", printable(way)))?;
        }
        for lost in lost {
            ui.print(format_args!("  lost if given up: {}", printable(lost)))?;
        }
    }
    if odd > 0 {
        ui.print(format_args!("ignored: {odd} names that are not UTF-8"))?;
    }
    if findings.is_empty() {
        ui.print(ui.paint(Tone::Good, "nothing is damaged"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
