use vgpu_manifest::Digest;

use super::bundle::BundleArg;
use super::password::PasswordArgs;
use super::plan::{Detail, Proposal, make_plan};
use super::proving::{Proven, prove_again, settle_proof};
use super::{Consent, ResumeArgs};
use crate::cli::{Advise as _, Exit, Refused, Target};
use crate::gpus::GpuChoice;
use crate::host::real::Program;
use crate::machine::{Machine, Pending};
use crate::plan::{Applied, ApplyError, Applying, Choices, Origin, Plan, Reboot, rehearse};
use crate::resume::{self, May, Resume};
use crate::store::{Bundles, missing, missing_program, needs, stage};
use crate::trust::Candidate;
use crate::ui::{Tone, Ui, printable};

/// Make this host what a bundle asks for.
///
/// The plan is shown first. Every change can be taken back with `revert`. An apply that was
/// interrupted goes on where it was when it is run again.
#[derive(Debug, clap::Args)]
pub(crate) struct Apply {
    /// The bundle; of one that is split, the first part (`….001`). Without one, an apply that was
    /// interrupted is brought to its end.
    #[arg(value_name = "BUNDLE")]
    bundle: Option<camino::Utf8PathBuf>,
    #[command(flatten)]
    gpus: GpuChoice,
    #[command(flatten)]
    password: PasswordArgs,
    #[command(flatten)]
    no_resume: ResumeArgs,
    /// Go on after a reboot, as the unit does that the first part has placed: once a boot, and never
    /// more than twice.
    #[arg(long, conflicts_with_all = ["bundle", "no_resume"])]
    resume: bool,
    #[command(flatten)]
    consent: Consent,
}

impl Apply {
    pub(crate) fn run(self, target: Target, ui: &Ui) -> anyhow::Result<Exit> {
        target.check_may_change()?;
        match self.bundle.clone() {
            Some(path) => self.apply_bundle(path, target, ui),
            None if self.gpus != GpuChoice::default() => Err(Refused::Senseless(
                "the plan of the interrupted apply says already which GPU does what".to_owned(),
            )
            .into()),
            None if self.resume => resume_now(&self.password, target, ui),
            None => go_on(&self.password, target, ui),
        }
    }

    fn apply_bundle(
        self,
        path: camino::Utf8PathBuf,
        target: Target,
        ui: &Ui,
    ) -> anyhow::Result<Exit> {
        let Self { gpus, password, consent, no_resume, .. } = self;
        let resume = no_resume.get();
        let bundle = BundleArg { path };
        let program = Program::read()?;
        let choices = Choices { program: program.content(), gpus };
        let proposal = Proposal::make(&bundle, &target.host, &choices, resume)?;
        show(&proposal, ui);
        if proposal.rehearsal.plan.steps().next().is_some() {
            consent.ask(ui, "Carry out this plan?")?;
        }
        let items = missing(&target.host, proposal.bundle.manifest())?;
        let bytes = items.bytes + missing_program(&target.host, &program)?;
        needs(bytes, &proposal.rehearsal.changes).check(&target.host)?;

        let mut machine = target.open_machine()?;
        let plan = settle_on(&machine, &proposal, &choices, resume)?;
        password.provide(&mut machine, &plan, ui)?;
        put_in_store(&mut machine, &proposal, &program, ui)?;
        carry_out(machine, &plan, &proposal.candidate, ui)
    }
}

fn show(proposal: &Proposal, ui: &Ui) {
    for line in proposal.tree(Detail::Steps, ui) {
        ui.say(line);
    }
}

/// The plan to carry out, now that nobody else can change the host any more.
///
/// That is the one which was shown, or the rest of the same bundle's if one was interrupted.
fn settle_on(
    machine: &Machine,
    proposal: &Proposal,
    choices: &Choices,
    resume: Resume,
) -> anyhow::Result<Plan> {
    match machine.pending()? {
        Pending::Revert(tx) => Err(ApplyError::Reverting(tx.id).into()),
        Pending::Remove(_) => Err(ApplyError::Removing.into()),
        Pending::Apply { tx, plan } if tx.new.bundle == proposal.bundle.digest() => Ok(plan),
        Pending::Apply { tx, .. } => Err(ApplyError::Unfinished(tx.id).into()),
        Pending::Nothing => {
            let plan = make_plan(&proposal.bundle, machine.look(), choices, resume)?;
            let changes = rehearse(&plan, machine.look())?.changes;
            let unchanged = plan == proposal.plan && changes == proposal.rehearsal.changes;
            if unchanged { Ok(plan) } else { Err(Refused::Changed.into()) }
        }
    }
}

/// Check and copy what the store lacks. Afterwards the medium may be pulled.
fn put_in_store(
    machine: &mut Machine,
    proposal: &Proposal,
    program: &Program,
    ui: &Ui,
) -> anyhow::Result<()> {
    let host = machine.host();
    let lacking = missing(host, proposal.bundle.manifest())?;
    let progress = ui.progress("staging", lacking.bytes);
    stage(host, &proposal.bundle, &lacking, program, &progress)?;
    let (count, took) = (lacking.count(), progress.summary());
    drop(progress);
    let mut bundles = Bundles::load(host)?;
    bundles.add(host, &proposal.bundle)?;
    ui.say(format_args!("staged {count} items, {took}; the medium is not needed any more"));
    Ok(())
}

/// What the unit does at boot. That there is nothing to go on with is fine.
fn resume_now(password: &PasswordArgs, target: Target, ui: &Ui) -> anyhow::Result<Exit> {
    let Some(mut machine) = target.find_machine()? else { return Ok(Exit::Done) };
    let Pending::Apply { tx, .. } = machine.pending()? else { return Ok(Exit::Done) };
    let boot = machine.boot()?;
    match resume::may(machine.look(), &tx, &boot)? {
        May::NotOnThisBoot => return Ok(Exit::Done),
        May::GaveUp => {
            return Err(Refused::Unfinished(
                "going on by itself has failed twice and is not tried again".to_owned(),
            ))
            .hint("run `vgpu-installer apply` to see why, or `vgpu-installer revert`");
        }
        May::Go => resume::begin(machine.host(), tx.id, &boot)?,
    }
    go_on_with(password, machine, ui)
}

/// Bring an interrupted apply to its end, from what the store and the journal have.
fn go_on(password: &PasswordArgs, target: Target, ui: &Ui) -> anyhow::Result<Exit> {
    let Some(mut machine) = target.find_machine()? else {
        return Err(nothing_unfinished().into());
    };
    if machine.pending()? == Pending::Nothing
        && let Some(exit) = prove_again(&mut machine, ui)?
    {
        return Ok(exit);
    }
    go_on_with(password, machine, ui)
}

fn go_on_with(password: &PasswordArgs, mut machine: Machine, ui: &Ui) -> anyhow::Result<Exit> {
    let (tx, plan) = match machine.pending()? {
        Pending::Apply { tx, plan } => (tx, plan),
        Pending::Revert(tx) => return Err(ApplyError::Reverting(tx.id).into()),
        Pending::Remove(_) => return Err(ApplyError::Removing.into()),
        Pending::Nothing => return Err(nothing_unfinished().into()),
    };
    let candidate = candidate_of(&machine, tx.new.bundle)?;
    password.provide(&mut machine, &plan, ui)?;
    carry_out(machine, &plan, &candidate, ui)
}

fn nothing_unfinished() -> Refused {
    Refused::Senseless("no apply was interrupted here, so name a bundle".to_owned())
}

/// What is known of a bundle that was applied before.
pub(super) fn candidate_of(machine: &Machine, digest: Digest) -> anyhow::Result<Candidate> {
    let bundles = Bundles::load(machine.look())?;
    let known = bundles.get(digest).map(|known| known.candidate(digest));
    Ok(known.ok_or_else(|| {
        Refused::Unfinished(format!("nothing is known of the bundle {digest}; apply it again"))
    })?)
}

/// Carry out the plan, prove that the host is what it says, and remember that.
fn carry_out(
    mut machine: Machine,
    plan: &Plan,
    candidate: &Candidate,
    ui: &Ui,
) -> anyhow::Result<Exit> {
    let origin = Origin { bundle: candidate.bundle, boot: machine.boot()? };
    let applied = machine.apply(&origin, plan, &mut |event| tell(event, ui))?;
    let mut proven = Proven::Yes;
    if applied.reboot != Reboot::NeededToContinue {
        proven = settle_proof(&mut machine, plan, candidate, applied.reboot, ui)?;
    }
    Ok(finish(applied, proven, ui))
}

fn tell(event: Applying<'_>, ui: &Ui) {
    match event {
        Applying::Step { step, n, of } => {
            ui.say(format_args!("[{n}/{of}] {}", printable(&step.summary())));
        }
        Applying::Rebuild(derived) => ui.say(format_args!("rebuild {derived}")),
    }
}

fn finish(applied: Applied, proven: Proven, ui: &Ui) -> Exit {
    let (word, exit) = match (applied.tx, applied.reboot) {
        (None, _) => ("done: there was nothing to do", Exit::Done),
        (_, Reboot::NotNeeded) => ("done", Exit::Done),
        (_, Reboot::Needed) if proven == Proven::AfterReboot => (
            "done; reboot, and then run `vgpu-installer apply` to see whether all of it works",
            Exit::Reboot,
        ),
        (_, Reboot::Needed) => {
            ("done; a reboot is needed for all of it to take effect", Exit::Reboot)
        }
        (_, Reboot::NeededToContinue) => (
            "the first part is done; reboot, and it goes on by itself, or run `vgpu-installer apply`",
            Exit::Reboot,
        ),
    };
    ui.say(ui.paint_talk(Tone::Good, word));
    exit
}
