use serde::Serialize;
use vgpu_manifest::HostPath;

use super::bundle::title;
use super::repair::damage;
use super::resume::NOT_ENROLLED;
use crate::cli::{Exit, Target};
use crate::host::real::Holder;
use crate::journal::{Depth, Kept};
use crate::locked_host::LockedHostError;
use crate::repair::{Finding, Weight};
use crate::status::proof::{Proof, table};
use crate::status::report::{Closely, HostState, Standpoint, StepState};
use crate::status::resume::Resumption;
use crate::step::AT_CONSOLE;
use crate::ui::{Format, Tone, Ui, printable};

/// Show what is installed and whether it has drifted.
///
/// Repeats every step's check, and checks the driver: module, services, vGPU types, and the
/// kernel of the next boot. Exits with 5 if something has drifted or is missing, with 10 if
/// phase 2 waits for the reboot, and with 1 if the installer's own state is damaged. Takes no lock
/// and works during an apply, and on a read-only file system.
#[derive(Debug, clap::Args)]
pub(crate) struct Status {
    /// Read large files again. Without this option, a file of 16 MiB or more is read only if its
    /// inode, size or change time differ
    #[arg(long)]
    thorough: bool,
}

/// The state of this node.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Document<'s> {
    /// The state.
    state: HostState,
    #[serde(flatten)]
    found: &'s Standpoint,
    /// The checks of the host.
    proof: &'s Proof,
    /// The commands that assign a vGPU of this node to a guest; a line that begins with `#` is
    /// a note.
    lines: &'s [String],
    /// The NVIDIA GPUs that are not used for vGPU, which have addresses.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    left_alone: &'s [String],
    /// Large files that were not read again, because they are unchanged; none with
    /// `--thorough`.
    unread: &'s [HostPath],
    /// The run that changes this host now; absent if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<&'s Holder>,
    /// How an incomplete apply resumes; absent if there is none.
    #[serde(rename = "goes-on", skip_serializing_if = "Option::is_none")]
    resumption: Option<Resumption>,
    /// The damage to the installer's own state, without findings that need every byte of the
    /// stores.
    damage: &'s [Finding],
}

/// The document of a host whose journal cannot be used.
/// The state of a host with an unusable journal.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Damaged<'s> {
    /// The state.
    state: DamagedState,
    /// The damage.
    damage: &'s [Finding],
}

/// The only state that can be told without a journal.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
enum DamagedState {
    /// The journal cannot be used.
    Damaged,
}

impl Status {
    pub(crate) fn run(self, target: Target, ui: &Ui) -> anyhow::Result<Exit> {
        let damage = damage(&target, Depth::Sizes)?;
        let found = match target.inspect(self.closely(ui)) {
            Err(error) if is_damage(&error) && ui.format() == Format::Json => {
                ui.print_json(&Damaged { state: DamagedState::Damaged, damage: &damage })?;
                return Err(error);
            }
            found => found?,
        };
        let damage = &damage[..];
        if ui.format() == Format::Json {
            let Standpoint { proof, used, unread, resumption, run, .. } = &found;
            let (state, resumption, run) = (found.state(), *resumption, run.as_ref());
            let left_alone = found.judged.as_ref().map_or(&[][..], |judged| &judged.left_alone);
            let found = &found;
            ui.print_json(&Document {
                state,
                found,
                proof,
                lines: &used.lines,
                left_alone,
                unread,
                run,
                resumption,
                damage,
            })?;
        } else {
            print(&found, ui)?;
            print_damage(damage, ui)?;
        }
        if damage.iter().any(|finding| finding.weight == Weight::Harmful) {
            return Ok(Exit::Failed);
        }
        Ok(match found.state() {
            HostState::Nothing | HostState::InSync => Exit::Done,
            HostState::Pending => Exit::Reboot,
            HostState::Drifted => Exit::Differs,
            HostState::Interrupted | HostState::Failed | HostState::Running => Exit::Failed,
        })
    }
}

impl Status {
    fn closely(&self, ui: &Ui) -> Closely {
        match ui.format() {
            _ if self.thorough => Closely::Bytes,
            // The text output shows steps, not single paths.
            Format::Text => Closely::Steps,
            Format::Json => Closely::Paths,
        }
    }
}

/// Checks whether the journal is lost or damaged.
fn is_damage(error: &anyhow::Error) -> bool {
    error.downcast_ref::<LockedHostError>().is_some_and(LockedHostError::is_damage)
}

fn print_damage(damage: &[Finding], ui: &Ui) -> std::io::Result<()> {
    for Finding { path, defect, weight, .. } in damage {
        let (tone, mark) = match weight {
            Weight::Harmful => (Tone::Bad, "damaged"),
            Weight::Harmless => (Tone::Warn, "damaged, harmless"),
        };
        let text = printable(&format!("{path}: {defect}"));
        ui.print(format_args!("{}  {text}", ui.paint(tone, mark)))?;
    }
    if damage.is_empty() { Ok(()) } else { ui.print("next: vgpu-installer repair") }
}

fn print(found: &Standpoint, ui: &Ui) -> std::io::Result<()> {
    if let Some(run) = &found.run {
        let text = format!("running: {}", printable(&run.to_string()));
        ui.print(ui.paint(Tone::Warn, &text))?;
    }
    for Kept { what, why } in &found.kept {
        let text = printable(&format!("{what}: {why}"));
        ui.print(format_args!("kept by the last revert: {text}"))?;
    }
    let Some(applied) = &found.applied else {
        return ui.print("nothing is installed here");
    };
    let bundle = applied.bundle.as_ref();
    ui.print(bundle.map_or_else(|| format!("bundle {}", applied.digest), title))?;
    for step in &applied.steps {
        let (tone, mark) = match step.state {
            StepState::InSync => (Tone::Good, "in sync"),
            StepState::Pending => (Tone::Warn, "pending"),
            StepState::Drifted => (Tone::Bad, "drifted"),
        };
        let mark = ui.paint(tone, mark);
        ui.print(format_args!("  {mark}  {}", printable(&step.summary)))?;
    }
    for component in &applied.removed {
        let mark = ui.paint(Tone::Dim, "removed");
        ui.print(format_args!("  {mark}  {component}; apply the bundle again to reinstall it"))?;
    }
    for component in &applied.going {
        let mark = ui.paint(Tone::Bad, "going  ");
        ui.print(format_args!("  {mark}  {component}; run `vgpu-installer remove` to resume"))?;
    }
    for derived in &found.stale {
        ui.print(format_args!("  {}    {derived}", ui.paint(Tone::Bad, "stale")))?;
    }
    for line in table(&found.proof, &found.used.lines, &|tone, text| ui.paint(tone, text)) {
        ui.print(line)?;
    }
    for objection in found.objections() {
        let mark = ui.paint(Tone::Bad, "does not fit");
        ui.print(format_args!("  {mark}  {}", printable(objection)))?;
    }
    for other in found.judged.iter().flat_map(|judged| &judged.left_alone) {
        ui.print(format_args!("  {}", printable(other)))?;
    }
    if !found.unread.is_empty() {
        let paths: Vec<_> = found.unread.iter().map(|path| printable(&path.to_string())).collect();
        let line = format!(
            "  large, and unchanged since it was read: {}; `--thorough` reads it again",
            paths.join(", ")
        );
        ui.print(ui.paint(Tone::Dim, &line))?;
    }
    for objection in &applied.overridden {
        let mark = ui.paint(Tone::Bad, "overridden with --allow-unsuitable");
        ui.print(format_args!("  {mark}  {}", printable(objection)))?;
    }
    let (tone, word) = match found.state() {
        HostState::Nothing | HostState::InSync => (Tone::Good, "everything is in sync"),
        HostState::Pending => {
            (Tone::Warn, "pending: phase 1 is done, and phase 2 waits for the reboot")
        }
        HostState::Drifted if found.proof.holds() => {
            (Tone::Bad, "the host has drifted; apply the bundle again to fix it")
        }
        HostState::Drifted => (Tone::Bad, "something is missing; see the hints above"),
        HostState::Interrupted => (
            Tone::Bad,
            "interrupted: run `vgpu-installer apply` to resume, or `vgpu-installer revert`",
        ),
        HostState::Running => (Tone::Warn, "not final: this may change until the run is done"),
        HostState::Failed => (
            Tone::Bad,
            "failed: run `vgpu-installer apply` to try again, or `vgpu-installer revert`",
        ),
    };
    ui.print(ui.paint(tone, word))?;
    print_resumption(found.resumption, ui)?;
    if found.earlier > 0 {
        let earlier = found.earlier;
        ui.print(format_args!("earlier bundles still applied: {earlier}"))?;
    }
    if found.reboot_pending {
        ui.print(ui.paint(Tone::Warn, "reboot to activate all changes"))?;
    }
    Ok(())
}

/// Prints how an incomplete apply resumes.
fn print_resumption(resumption: Option<Resumption>, ui: &Ui) -> std::io::Result<()> {
    match resumption {
        Some(Resumption::ByItself) => ui.print("resumes automatically after the next boot"),
        Some(Resumption::AfterEnrollment) => ui.print(ui.paint(
            Tone::Warn,
            &format!("at the next boot, {AT_CONSOLE}; then it resumes automatically"),
        )),
        Some(Resumption::GaveUp) => ui.print(ui.paint(
            Tone::Warn,
            "automatic resume has failed twice and is disabled; see the log: \
                /var/log/vgpu-offline/installer.log",
        )),
        Some(Resumption::FellBack) => ui.print(ui.paint(
            Tone::Warn,
            "the kernel that was selected for one boot is not running: it did not boot, or another \
                was selected at the console; `vgpu-installer apply` tries it again",
        )),
        Some(Resumption::NotEnrolled) => ui.print(ui.paint(
            Tone::Warn,
            &format!("{NOT_ENROLLED}; `vgpu-installer apply` requests it again"),
        )),
        Some(Resumption::ByOperator) | None => Ok(()),
    }
}
