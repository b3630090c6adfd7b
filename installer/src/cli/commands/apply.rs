use std::time::Instant;

use anyhow::Context as _;
use serde::Serialize;
use vgpu_manifest::Digest;
use vgpu_manifest::ui::count as count_of;

use super::apply_plan::apply_plan;
use super::bundle::BundleArg;
use super::check::source;
use super::password::PasswordArgs;
use super::plan::{Detail, Proposal};
use super::resume::{resume_at_boot, resume_interrupted};
use super::{Consent, GuestToolArgs, ResumeArgs};
use crate::cli::{Exit, Refused, Target};
use crate::facts::{Serials, inventory};
use crate::gpus::GpuChoice;
use crate::host::real::{On, Program, read_outside};
use crate::host::{OwnState, RealHost};
use crate::journal::Depth;
use crate::license::{Service, in_force};
use crate::locked_host::{JournaledHost, LockedHost, Pending};
use crate::plan::{
    ApplyError, Choices, MAX_REVIEW, Phase, Plan, Resume, Review, Reviewed, rehearse,
};
use crate::state;
use crate::store::{Bundles, Intake, Known, missing, missing_program, needs, stage};
use crate::ui::Ui;

/// Apply a bundle to this host.
///
/// Takes signed policies in the bundle first, and keeps them. Then shows the plan. Every other
/// change can be undone with `revert`. After an interruption, run the same command again to resume.
/// Ctrl-C stops after the running command.
#[derive(Debug, clap::Args)]
pub(crate) struct Apply {
    /// Bundle, or the first of its parts; without it, resumes an interrupted apply
    #[arg(value_name = "BUNDLE")]
    bundle: Option<camino::Utf8PathBuf>,
    #[command(flatten)]
    gpus: GpuChoice,
    #[command(flatten)]
    guest_tools: GuestToolArgs,
    #[command(flatten)]
    password: PasswordArgs,
    #[command(flatten)]
    no_resume: ResumeArgs,
    /// Resume after a reboot (used by the systemd unit; once per boot, at most two attempts)
    #[arg(long, conflicts_with_all = ["bundle", "no_resume"])]
    resume: bool,
    /// Apply exactly this reviewed plan (from `plan --output`). If the host no longer matches,
    /// nothing changes and the differences are listed
    #[arg(long, value_name = "FILE", conflicts_with_all = ["vgpu", "passthrough", "give_up", "foreign_driver", "allow_unsuitable", "guest_tools", "no_resume", "resume"])]
    plan: Option<camino::Utf8PathBuf>,
    /// Stop after this phase (1: before the reboot). Nothing resumes automatically then; run
    /// `apply` without a bundle to continue
    #[arg(long, value_enum, value_name = "N", default_value = "2", conflicts_with = "resume")]
    to_phase: Phase,
    #[command(flatten)]
    consent: Consent,
    /// The license server to run, if it changes.
    #[arg(skip)]
    license: Option<Service>,
}

impl Apply {
    pub(super) fn bundle(&self) -> Option<BundleArg> {
        Some(BundleArg { path: self.bundle.clone()? })
    }

    /// Adds this license server to the plan.
    pub(super) fn serving(self, service: Service) -> Self {
        Self { license: Some(service), ..self }
    }

    pub(crate) fn run(self, target: Target, ui: &Ui) -> anyhow::Result<Exit> {
        target.check_may_change()?;
        match self.bundle.clone() {
            Some(path) => self.apply_bundle(path, target, ui),
            None if self.gpus != GpuChoice::default() => Err(Refused::Senseless(
                "the interrupted plan already determines the GPUs and drivers".to_owned(),
            )
            .into()),
            None if self.plan.is_some() => Err(Refused::Senseless(
                "a reviewed plan needs its bundle: `apply --plan FILE BUNDLE`".to_owned(),
            )
            .into()),
            None if self.resume => resume_at_boot(&self.password, target, ui),
            None => resume_interrupted(&self.password, self.to_phase, target, ui),
        }
    }

    fn apply_bundle(
        self,
        path: camino::Utf8PathBuf,
        mut target: Target,
        ui: &Ui,
    ) -> anyhow::Result<Exit> {
        let bundle = BundleArg { path };
        bundle.take_successors(&mut target, ui)?;
        let reviewed = self.reviewed()?;
        let (gpus, guest_tools, resume) = match &reviewed {
            Some(Reviewed { review: Review { review, .. }, .. }) => {
                (review.gpus.clone(), review.guest_tools, review.resume)
            }
            None => (self.gpus.clone(), self.guest_tools.get(), self.resume_mode()),
        };
        let program = Program::read()?;
        let license = match self.license.clone() {
            None => in_force(&target.host)?,
            asked => asked,
        };
        let choices = Choices { program: program.content(), gpus, license, guest_tools };
        refuse_another(&bundle, &target)?;
        let proposal = Proposal::make(&bundle, &target.host, &choices, resume)?;
        if let Some(reviewed) = &reviewed {
            reviewed.check(&proposal.text()?, &proposal.review())?;
        }
        show(&proposal, ui);
        if proposal.rehearsal.plan.steps().next().is_some() {
            self.consent.ask(ui, "Apply this plan?")?;
        }
        let items = missing(&target.host, proposal.bundle.manifest(), Depth::Sizes)?;
        let bytes = items.bytes + missing_program(&target.host, &program, Depth::Sizes)?;
        needs(bytes, &proposal.rehearsal.changes).check(&target.host)?;

        let mut locked = target.open_locked()?;
        let plan = settle_on(&locked, &proposal, &choices, resume)?;
        self.password.provide(&mut locked, &plan, ui)?;
        let known = proposal.known();
        let (bundle, depth) = (&proposal.bundle, Depth::Sizes);
        let intake = Intake { bundle, supplies: &[], program: &program, depth };
        put_in_store(locked.host(), intake, known, ui)?;
        apply_plan(&mut locked, &plan, &proposal.candidate, self.to_phase, ui)
    }

    /// The reviewed plan.
    fn reviewed(&self) -> anyhow::Result<Option<Reviewed>> {
        let Some(path) = &self.plan else { return Ok(None) };
        let bytes = read_outside(path, MAX_REVIEW)?;
        Ok(Some(Reviewed::parse(bytes).with_context(|| format!("cannot use {path:?}"))?))
    }

    /// Stopping after phase 1 implies a manual resume.
    fn resume_mode(&self) -> Resume {
        match self.to_phase {
            Phase::First => Resume::ByOperator,
            Phase::Second => self.no_resume.get(),
        }
    }
}

fn show(proposal: &Proposal, ui: &Ui) {
    for line in proposal.tree(Detail::Steps, ui) {
        ui.say(line);
    }
}

/// Refuses a bundle while another one is interrupted, before its plan is shown.
///
/// Under the lock, [`settle_on`] decides again; so a journal that cannot be opened now is no reason
/// to refuse.
pub(super) fn refuse_another(bundle: &BundleArg, target: &Target) -> anyhow::Result<()> {
    let Ok(Some(journaled)) = target.again()?.journaled() else { return Ok(()) };
    interrupted(&journaled, &|| Ok(bundle.open(&target.host)?.1.digest())).map(drop)
}

/// Returns the interrupted plan of the bundle with this digest; `None` if no run was interrupted.
///
/// # Errors
///
/// Another run was interrupted, and has to be completed first.
fn interrupted(
    journaled: &JournaledHost,
    digest: &dyn Fn() -> anyhow::Result<Digest>,
) -> anyhow::Result<Option<Plan>> {
    match journaled.pending()? {
        Pending::Nothing => Ok(None),
        Pending::Revert(tx) => Err(ApplyError::Reverting(tx.id).into()),
        Pending::Remove(_) => Err(ApplyError::Removing.into()),
        Pending::Apply { tx, plan } if tx.new.bundle == digest()? => Ok(Some(plan)),
        Pending::Apply { tx, .. } => Err(ApplyError::Unfinished(tx.id).into()),
    }
}

/// Returns the plan to apply, under the lock.
///
/// It is the shown plan, or the rest of the interrupted one of the same bundle.
fn settle_on(
    locked: &LockedHost,
    proposal: &Proposal,
    choices: &Choices,
    resume: Resume,
) -> anyhow::Result<Plan> {
    if let Some(plan) = interrupted(locked, &|| Ok(proposal.bundle.digest()))? {
        return Ok(plan);
    }
    let facts = inventory(locked.look(), Serials::LeaveOut);
    let source = source(&proposal.bundle)?;
    let plan = source.propose(locked.look(), &facts, choices, resume)?.plan;
    let changes = rehearse(&plan, locked.look())?.changes;
    let unchanged = plan == proposal.plan && changes == proposal.rehearsal.changes;
    if unchanged { Ok(plan) } else { Err(Refused::Changed.into()) }
}

/// The work of staging, in the document about the change.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Staged {
    /// The number of items that this run copied to the store.
    staged: usize,
}

/// Verifies and copies missing items into the store. The medium may be removed afterwards.
pub(super) fn put_in_store(
    host: &mut RealHost,
    intake: Intake<'_>,
    known: Known,
    ui: &Ui,
) -> anyhow::Result<()> {
    let bundle = intake.bundle;
    let lacking = missing(host, bundle.manifest(), intake.depth)?;
    for item in bundle.manifest().items.iter().filter(|item| lacking.has(item)) {
        OwnState::of(host).clear_the_way(&state::stored(item.id()))?;
    }
    let progress = ui.progress("staging", lacking.bytes);
    let since = Instant::now();
    stage(host, intake, &lacking, &progress, ui)?;
    ui.spent(On::Staging, since);
    let (count, took) = (lacking.count(), progress.summary());
    ui.outcome(&Staged { staged: count })?;
    drop(progress);
    let mut bundles = Bundles::load(host);
    bundles.add(&mut OwnState::of(host), bundle, known)?;
    ui.say(format_args!("staged {count} items, {took}; you can remove the medium"));
    if lacking.present > 0 {
        let items = count_of(lacking.present, "item");
        ui.say(format_args!(
            "used the store's copies of {items}, and read none of them from the medium: \
                `vgpu-installer verify` checks what is on it"
        ));
    }
    Ok(())
}
