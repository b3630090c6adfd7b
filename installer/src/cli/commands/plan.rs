use camino::Utf8PathBuf;
use serde::Serialize;
use vgpu_keys::Policy;
use vgpu_manifest::{Bundle, Item, Verified};

use super::apply::refuse_another;
use super::bundle::{BundleArg, check_left_out, title};
use super::check::source;
use super::{GuestToolArgs, ResumeArgs, left_out};
use crate::act::Change;
use crate::cli::{Advise as _, Exit, Target};
use crate::facts::{Serials, inventory};
use crate::gpus::GpuChoice;
use crate::host::real::{FileMemory, Program, write_outside};
use crate::host::{Content, Look};
use crate::license::in_force;
use crate::packages::{Upstream, check_upstream};
use crate::plan::{
    self, Basis, Choices, Concern, Created, Files, Proposed, Rehearsal, Replaced, Resume, Review,
    rehearse,
};
use crate::state;
use crate::step::Step;
use crate::store::Known;
use crate::trust::{Candidate, Floors, admit};
use crate::ui::{Format, Tone, Ui, printable};

/// Show the changes that a bundle would make to this host.
///
/// Changes nothing. Omits everything that is in sync already.
#[derive(Debug, clap::Args)]
pub(crate) struct Plan {
    #[command(flatten)]
    bundle: BundleArg,
    #[command(flatten)]
    gpus: GpuChoice,
    #[command(flatten)]
    guest_tools: GuestToolArgs,
    #[command(flatten)]
    resume: ResumeArgs,
    /// Write the plan to this file; `apply --plan` applies exactly this plan
    #[arg(long, short, value_name = "FILE")]
    output: Option<Utf8PathBuf>,
    /// Explain each step and list the paths that it changes
    #[arg(long)]
    explain: bool,
}

impl Plan {
    pub(crate) fn run(self, target: &Target, ui: &Ui) -> anyhow::Result<Exit> {
        let choices = Choices {
            program: Program::read()?.content(),
            gpus: self.gpus,
            guest_tools: self.guest_tools.get(),
            license: in_force(&target.host)?,
        };
        // A plan changes nothing, so it does not read a large file that has not changed.
        target.host.cache_files(FileMemory::Use);
        self.bundle.tell_successors(&target.host, ui)?;
        refuse_another(&self.bundle, target)?;
        let proposal = Proposal::make(&self.bundle, &target.host, &choices, self.resume.get())?;
        if let Some(path) = &self.output {
            write_outside(path, proposal.text()?.as_bytes())?;
            ui.say(format_args!("wrote {path:?}"));
        }
        if ui.format() == Format::Json {
            ui.print_json(&proposal.document())?;
        } else {
            let detail = if self.explain { Detail::Explained } else { Detail::Steps };
            for line in proposal.tree(detail, ui) {
                ui.print(line)?;
            }
        }
        Ok(Exit::Done)
    }
}

/// A bundle's plan for this host.
#[derive(Debug)]
pub(super) struct Proposal {
    pub(super) bundle: Bundle<Verified>,
    pub(super) candidate: Candidate,
    /// All steps, including those that are in sync.
    pub(super) plan: plan::Plan,
    /// The remaining steps and their changes.
    pub(super) rehearsal: Rehearsal,
    basis: Basis,
    files: Files,
    concerns: Vec<Concern>,
    /// Items that are left out, with reasons.
    left_out: Vec<String>,
    /// The packages that their archives have signed, if the bundle has packages.
    upstream: Option<Upstream>,
}

/// The level of detail of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Detail {
    Steps,
    /// The steps with reasons and changed paths.
    Explained,
}

impl Proposal {
    /// Verifies the bundle, checks its floor, reads the host, and plans.
    pub(super) fn make(
        bundle: &BundleArg,
        look: &dyn Look,
        choices: &Choices,
        resume: Resume,
    ) -> anyhow::Result<Self> {
        let (policy, bundle) = bundle.open(look)?;
        let candidate = admit(&policy, &Floors::load(look)?, &bundle)?;
        check_left_out(look, &bundle)?;
        let upstream = upstream(look, &policy, &bundle)?;
        let facts = inventory(look, Serials::LeaveOut);
        let source = source(&bundle)?;
        let Proposed { plan, left_alone, proof } = source.propose(look, &facts, choices, resume)?;
        let rehearsal = rehearse(&plan, look)?;
        let files = Files::of(&rehearsal, look, &|content| read_item(&bundle, look, content))?;
        let concerns = Concern::of(&rehearsal.plan, look)?;
        let basis = Basis::new(choices, resume, facts, plan.clone());
        let mut left_out = left_out(bundle.manifest(), choices.guest_tools);
        if !left_out.is_empty() {
            left_out.extend(source.needs());
        }
        left_out.extend(left_alone);
        left_out.extend(proof.map(|proof| proof.to_string()));
        Ok(Self { bundle, candidate, plan, rehearsal, basis, files, concerns, left_out, upstream })
    }

    /// Returns the record of the bundle.
    pub(super) fn known(&self) -> Known {
        let upstream = self.upstream.as_ref().map(|upstream| upstream.vouched);
        Known { upstream, ..Known::of(&self.bundle) }
    }

    pub(super) fn review(&self) -> Review {
        let (bundle, changes) = (self.bundle.digest(), self.rehearsal.changes.clone());
        Review { bundle, changes, review: self.basis.clone() }
    }

    pub(super) fn tree(&self, detail: Detail, ui: &Ui) -> Vec<String> {
        let Rehearsal { plan, changes, .. } = &self.rehearsal;
        let mut lines = vec![title(&Known::of(&self.bundle))];
        let phases = match (plan.before_reboot.as_slice(), plan.after_reboot.as_slice()) {
            ([], []) => vec![("nothing to do: everything is in sync", &[][..])],
            (now, []) => vec![("steps", now)],
            (now, later) => vec![("before the reboot", now), ("after the reboot", later)],
        };
        let mut branches: Vec<(String, Vec<String>)> = Vec::new();
        for (name, steps) in phases {
            let leaves = steps.iter().flat_map(|step| leaf(step, detail, ui)).collect();
            branches.push((name.to_owned(), leaves));
        }
        if !self.files.replaced.is_empty() {
            let name = ui.paint(Tone::Warn, "replaces existing files");
            let lines = self.files.replaced.iter().flat_map(|replaced| {
                let mut lines = replaced.lines().into_iter();
                let first = lines.next().map(|line| printable(&line));
                first.into_iter().chain(lines.map(|line| format!("  {}", printable(&line))))
            });
            branches.push((name, lines.collect()));
        }
        if !self.concerns.is_empty() {
            let name = ui.paint(Tone::Bad, "security-relevant");
            let line = |it: &Concern| printable(&format!("{}: {}", it.what, it.why));
            branches.push((name, self.concerns.iter().map(line).collect()));
        }
        if detail == Detail::Explained && !changes.is_empty() {
            let paths = changes.iter().map(change).collect();
            branches.push(("changes".to_owned(), paths));
        }
        if self.rehearsal.needs_reboot() {
            branches.push((ui.paint(Tone::Warn, "reboot to activate all changes"), Vec::new()));
        }
        if !plan.overridden.is_empty() {
            let name = ui.paint(Tone::Bad, "overridden with --allow-unsuitable");
            branches.push((name, plan.overridden.iter().map(|it| printable(it)).collect()));
        }
        if let Some(upstream) = &self.upstream {
            branches.push((upstream.vouched.to_string(), upstream.archives().collect()));
        }
        lines.extend(draw(&branches));
        lines.extend(self.left_out.iter().map(|line| printable(line)));
        lines
    }

    /// Returns the document as text, which `apply --plan` compares.
    pub(super) fn text(&self) -> serde_json::Result<String> {
        Ok(serde_json::to_string_pretty(&self.document())? + "\n")
    }

    fn document(&self) -> impl Serialize {
        let Rehearsal { plan, .. } = &self.rehearsal;
        let describe = |steps: &[Step]| steps.iter().map(Described::of).collect::<Vec<_>>();
        Document {
            bundle: self.known(),
            before_reboot: describe(&plan.before_reboot),
            after_reboot: describe(&plan.after_reboot),
            already_true: self.plan.steps().count() - plan.steps().count(),
            needs_reboot: self.rehearsal.needs_reboot(),
            replaces: &self.files.replaced,
            creates: &self.files.created,
            security: &self.concerns,
            review: self.review(),
        }
    }
}

/// The changes that a bundle would make to this node.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Document<'p> {
    /// The record of the bundle.
    bundle: Known,
    /// The steps of phase 1.
    before_reboot: Vec<Described>,
    /// The steps of phase 2.
    after_reboot: Vec<Described>,
    /// The number of steps that are in sync already.
    already_true: usize,
    /// Some changes take effect only after a reboot.
    needs_reboot: bool,
    /// The existing files that the plan replaces or removes.
    replaces: &'p [Replaced],
    /// The new files and links.
    creates: &'p [Created],
    /// The security-relevant kernel parameters, paths and units.
    security: &'p [Concern],
    #[serde(flatten)]
    review: Review,
}

#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
struct Described {
    /// A line about the step.
    summary: String,
    /// The reason for the step.
    why: String,
    #[serde(flatten)]
    step: Step,
}

impl Described {
    fn of(step: &Step) -> Self {
        Self { summary: step.summary(), why: step.why(), step: step.clone() }
    }
}

/// Reads an item of a bundle that a plan compares with a file of the host. An item that is left out
/// comes from the store.
fn read_item(bundle: &Bundle<Verified>, look: &dyn Look, content: Content) -> Option<Vec<u8>> {
    let is_it = |item: &&Item| item.id() == content.id;
    if let Some(item) = bundle.manifest().carried().find(is_it) {
        let mut bytes = Vec::new();
        return bundle.copy_item(item, &mut bytes).ok().map(|()| bytes);
    }
    let stored = look.read_up_to(&state::stored(content.id), content.size).ok()??;
    (Content::of(&stored) == content).then_some(stored)
}

/// Follows the chain of every package to the key of its archive, if the policy requires it or the
/// bundle has what that takes.
fn upstream(
    look: &dyn Look,
    policy: &Policy,
    bundle: &Bundle<Verified>,
) -> anyhow::Result<Option<Upstream>> {
    let archives = &bundle.manifest().archives;
    let required = policy.upstream() == vgpu_keys::Upstream::Required;
    if archives.is_empty() || !required && archives.iter().all(|it| it.indexes.is_empty()) {
        return Ok(None);
    }
    let upstream = check_upstream(look, bundle, &|_| {})?;
    if required {
        return Ok(Some(upstream.require().hint(REQUIRED)?));
    }
    Ok(Some(upstream))
}

/// The hint for a bundle with a package that its archive has not signed.
const REQUIRED: &str = "the policy of this host requires it (`vgpu-installer trust list`); rebuild the bundle with `carry-index = true`";

fn leaf(step: &Step, detail: Detail, ui: &Ui) -> Vec<String> {
    let mut lines = vec![printable(&step.summary())];
    if detail == Detail::Explained {
        lines.push(format!("  {}", ui.paint(Tone::Dim, &printable(&step.why()))));
    }
    lines
}

fn change(change: &Change) -> String {
    let text = match change {
        Change::Put { path, before: None, .. } => format!("new      {path}"),
        Change::Put { path, after: None, .. } => format!("removed  {path}"),
        Change::Put { path, .. } => format!("changed  {path}"),
        Change::Act(act) => format!("run      {}", act.summary()),
        Change::Lost { path, .. } => format!("lost     {path}"),
    };
    printable(&text)
}

/// Formats branches with their leaves as a tree. A leaf that begins with blanks belongs to the
/// one above.
fn draw(branches: &[(String, Vec<String>)]) -> Vec<String> {
    let mut lines = Vec::new();
    for (i, (name, leaves)) in branches.iter().enumerate() {
        let is_last = i + 1 == branches.len();
        let (knot, rail) = if is_last { ("└── ", "    ") } else { ("├── ", "│   ") };
        lines.push(format!("{knot}{name}"));
        for (j, leaf) in leaves.iter().enumerate() {
            let is_end = !leaves[j + 1..].iter().any(|later| !later.starts_with(' '));
            let knot = match (leaf.starts_with(' '), is_end) {
                (true, true) => "    ",
                (true, false) => "│   ",
                (false, true) => "└── ",
                (false, false) => "├── ",
            };
            // The rest of a line of a diff can begin with blanks, too.
            lines.push(format!("{rail}{knot}{}", leaf.strip_prefix("  ").unwrap_or(leaf)));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn branches_are_drawn_as_a_tree() {
        let branch = |name: &str, leaves: &[&str]| {
            (name.to_owned(), leaves.iter().map(|&leaf| leaf.to_owned()).collect())
        };
        let tree = draw(&[branch("a", &["b", "  why b", "c", "  why c"]), branch("d", &["e"])]);
        assert_eq!(
            tree,
            [
                "├── a",
                "│   ├── b",
                "│   │   why b",
                "│   └── c",
                "│       why c",
                "└── d",
                "    └── e"
            ]
        );
    }
}
