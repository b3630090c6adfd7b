use std::io;

use vgpu_keys::{Distrust, SuccessorError};
use vgpu_manifest::{ManifestError, PartsError, ReadError, VerifyError};

use super::{Exit, Removable};
use crate::fit::NoFit;
use crate::host::HostError;
use crate::license::LicenseError;
use crate::machine::MachineError;
use crate::plan::{ApplyError, Unsuitable};
use crate::step::StepError;
use crate::store::{SpaceError, StageError};
use crate::trust::{FloorError, NotAdmitted, TrustError};
use crate::ui::{Tone, Ui, printable, printable_lines};

/// The program will not do what it was asked, and nothing has happened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// Only root may.
    #[error("only root can do that")]
    NotRoot,
    /// The program would be gone when it is needed again.
    #[error("this program runs from {0}, and changes a host only from a place of the host itself")]
    FromMedium(Removable),
    /// It could not be found out where the program lies.
    #[error("cannot find out what medium this program runs from: {0}")]
    UnknownMedium(io::Error),
    /// Nobody can be asked, and nobody has said yes beforehand.
    #[error("there is no terminal to ask on, and `--yes` was not given")]
    NobodyToAsk,
    /// Somebody was asked, and did not say yes.
    #[error("nothing was changed")]
    Declined,
    /// Nobody has said which key is meant.
    #[error("there is no terminal to confirm the key on, and `--fingerprint` was not given")]
    NoFingerprint,
    /// The key is not the one that was meant.
    #[error("the key has the fingerprint {actual}, and not {expected}")]
    OtherKey {
        /// The fingerprint that was given.
        expected: vgpu_keys::Fingerprint,
        /// The fingerprint of the key.
        actual: vgpu_keys::Fingerprint,
    },
    /// Something makes no sense in the place where it stands.
    #[error("{0}")]
    Senseless(String),
    /// Something is unfinished, and has to be brought to an end first.
    #[error("{0}")]
    Unfinished(String),
    /// An upgrade has failed, and was taken back.
    #[error("the new bundle did not work, and the host is back at {to}: {why}")]
    WentBack {
        /// What the host is back at.
        to: String,
        /// What went wrong.
        why: String,
    },
    /// The host has changed between the plan that was shown and the moment of carrying it out.
    #[error("the host has changed since the plan was made")]
    Changed,
}

/// What to do next. It stands in the chain of an error, above the error that it is about.
#[derive(Debug, thiserror::Error)]
#[error("{hint}")]
struct Hinted {
    hint: String,
    rest: Rest,
    source: anyhow::Error,
}

/// What becomes of the hint that an error always has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rest {
    /// It is given, too.
    Given,
    /// It would be wrong here.
    Dropped,
}

/// Adds what a person may do about an error.
pub trait Advise<T> {
    /// Add a hint: a sentence without a period, literals in backticks.
    fn hint(self, hint: impl Into<String>) -> anyhow::Result<T>;

    /// The same, in the place of the hint that the error always has.
    fn hint_instead(self, hint: impl Into<String>) -> anyhow::Result<T>;
}

impl<T, E: Into<anyhow::Error>> Advise<T> for Result<T, E> {
    fn hint(self, hint: impl Into<String>) -> anyhow::Result<T> {
        let hint = |error: E| Hinted { hint: hint.into(), rest: Rest::Given, source: error.into() };
        self.map_err(|error| hint(error).into())
    }

    fn hint_instead(self, hint: impl Into<String>) -> anyhow::Result<T> {
        let hint =
            |error: E| Hinted { hint: hint.into(), rest: Rest::Dropped, source: error.into() };
        self.map_err(|error| hint(error).into())
    }
}

/// Say what went wrong and what to do about it, and return how the run ends.
pub fn tell(ui: &Ui, error: &anyhow::Error) -> Exit {
    if is_broken_pipe(error) {
        return Exit::Done;
    }
    let (message, hints) = words(error);
    ui.say(format_args!("{} {}", ui.paint_talk(Tone::Bad, "error:"), printable_lines(&message)));
    for hint in hints {
        ui.say(format_args!("{} {}", ui.paint_talk(Tone::Warn, "hint:"), printable(&hint)));
    }
    error.chain().find_map(verdict).unwrap_or(Exit::Failed)
}

/// The causes in one sentence, and the hints.
fn words(error: &anyhow::Error) -> (String, Vec<String>) {
    let mut told: Vec<String> = Vec::new();
    let (mut hints, mut rest) = (Vec::new(), Rest::Given);
    for cause in error.chain() {
        let text = cause.to_string();
        if let Some(hinted) = cause.downcast_ref::<Hinted>() {
            if hinted.rest == Rest::Dropped {
                rest = Rest::Dropped;
            }
            hints.push(text);
        } else if !told.last().is_some_and(|last| last.ends_with(&text)) {
            // Some errors end with the text of their cause.
            told.push(text);
        }
    }
    if rest == Rest::Given {
        hints.extend(error.chain().find_map(standing_hint).map(str::to_owned));
    }
    (told.join(": "), hints)
}

/// Whoever reads our output has seen enough, which is fine.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let broken = |cause: &io::Error| cause.kind() == io::ErrorKind::BrokenPipe;
    error.root_cause().downcast_ref().is_some_and(broken)
}

type Cause<'a> = &'a (dyn std::error::Error + 'static);

/// Whether nothing has failed, and only a boot, and somebody at the console maybe, is waited for.
pub fn only_waits(error: &anyhow::Error) -> bool {
    error.chain().any(waits_for_boot)
}

fn waits_for_boot(cause: Cause<'_>) -> bool {
    let Some(ApplyError::Step { source, .. }) = cause.downcast_ref() else { return false };
    matches!(source, StepError::EnrolmentWaits | StepError::OtherKernel { .. })
}

/// What an error means for the exit status, if it is more than a failure.
fn verdict(cause: Cause<'_>) -> Option<Exit> {
    if let Some(error) = cause.downcast_ref::<VerifyError>() {
        return Some(of_verify(error));
    }
    if let Some(error) = cause.downcast_ref::<ReadError>() {
        return Some(of_read(error));
    }
    if let Some(StageError::Read(error)) = cause.downcast_ref() {
        return Some(of_read(error));
    }
    if waits_for_boot(cause) {
        // All that is left to do is to reboot, and maybe somebody's to do at the console.
        return Some(Exit::Reboot);
    }
    if let Some(error) = cause.downcast_ref::<Refused>() {
        return Some(match error {
            Refused::NoFingerprint | Refused::NobodyToAsk | Refused::Senseless(_) => Exit::Usage,
            Refused::OtherKey { .. } => Exit::Untrusted,
            _ => Exit::Failed,
        });
    }
    let untrusted = cause.is::<NotAdmitted>()
        || cause.is::<Distrust>()
        || cause.is::<SuccessorError>()
        || matches!(
            cause.downcast_ref(),
            Some(TrustError::Nobody | TrustError::Unsafe { .. } | TrustError::Policy(_))
        );
    let unsuitable = cause.is::<Unsuitable>()
        || matches!(
            cause.downcast_ref(),
            Some(LicenseError::Cannot(_) | LicenseError::Place(_) | LicenseError::Address(_))
        )
        || matches!(cause.downcast_ref(), Some(NoFit::NoGpu))
        || matches!(cause.downcast_ref(), Some(SpaceError::TooLittle { .. }));
    match (untrusted, unsuitable) {
        (true, _) => Some(Exit::Untrusted),
        (_, true) => Some(Exit::Unsuitable),
        _ => None,
    }
}

fn of_verify(error: &VerifyError) -> Exit {
    match error {
        // A file that cannot be read says nothing about the bundle, nor does a later format.
        VerifyError::Read { .. }
        | VerifyError::Manifest(ManifestError::Format { .. } | ManifestError::TooOld { .. })
        | VerifyError::Parts(
            PartsError::Open { .. } | PartsError::NotAFile(_) | PartsError::NotFirst { .. },
        ) => Exit::Failed,
        _ => Exit::Untrusted,
    }
}

fn of_read(error: &ReadError) -> Exit {
    match error {
        ReadError::Damaged(_) | ReadError::WholeDigest { .. } => Exit::Untrusted,
        _ => Exit::Failed,
    }
}

/// The hint that an error always has.
fn standing_hint(cause: Cause<'_>) -> Option<&'static str> {
    if let Some(error) = cause.downcast_ref::<Refused>() {
        return match error {
            Refused::NotRoot => Some("run it as root, or work on a folder with `--root DIR`"),
            Refused::FromMedium(_) => Some(
                "copy it to a place that only root can write to, check its signature, and run the copy: `install -m 0755 vgpu-installer /usr/local/sbin/`",
            ),
            Refused::NobodyToAsk => Some("look at `vgpu-installer plan` first, then give `--yes`"),
            Refused::NoFingerprint => Some(
                "give the fingerprint that you got on another way than the key: `--fingerprint SHA256:…`",
            ),
            Refused::OtherKey { .. } => {
                Some("somebody may have swapped the key; do not trust it before you know why")
            }
            Refused::Changed => Some("run the command again and look at the new plan"),
            _ => None,
        };
    }
    match cause.downcast_ref() {
        Some(TrustError::Nobody) => {
            return Some("trust a key first: `vgpu-installer trust add KEY.pub --principal NAME`");
        }
        Some(TrustError::Unsafe { .. }) => {
            return Some("look at who changed it; `chown root: FILE && chmod 0644 FILE` mends it");
        }
        _ => {}
    }
    match cause.downcast_ref() {
        Some(NotAdmitted::Channel { .. }) => {
            return Some("`vgpu-installer trust list` shows the channels of this host");
        }
        Some(NotAdmitted::Floor(FloorError::Below { .. })) => {
            return Some(
                "take a later bundle; if the floor is a mistake, `vgpu-installer trust set-floor` mends it",
            );
        }
        Some(NotAdmitted::Floor(FloorError::Another { .. })) => {
            return Some("ask those who signed them which of the two is meant");
        }
        _ => {}
    }
    if cause.is::<Distrust>() {
        return Some("`vgpu-installer trust list` shows whom this host trusts");
    }
    if matches!(cause.downcast_ref(), Some(SpaceError::TooLittle { .. })) {
        return Some("make room; nothing has been written yet");
    }
    if waits_for_boot(cause) {
        return Some("after that it goes on by itself, or with `vgpu-installer apply`");
    }
    if matches!(
        cause.downcast_ref(),
        Some(ApplyError::Step { .. } | ApplyError::NoEffect { .. } | ApplyError::Settle(_))
    ) {
        return Some(
            "mend the cause and run the same command again, or take everything back with `vgpu-installer revert`",
        );
    }
    let host_error = match cause.downcast_ref() {
        Some(MachineError::Host(error)) => Some(error),
        _ => cause.downcast_ref::<HostError>(),
    };
    if host_error.and_then(HostError::kind) == Some(io::ErrorKind::PermissionDenied) {
        return Some("run it as root");
    }
    None
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;
    use crate::host::Verb;
    use crate::host::real::LockError;

    fn exit_of(error: impl Into<anyhow::Error>) -> Exit {
        let error: anyhow::Error = error.into();
        error.chain().find_map(verdict).unwrap_or(Exit::Failed)
    }

    #[test]
    fn every_kind_of_failure_has_its_exit_status() {
        let open = PartsError::NotAFile("/dev/null".into());
        let cut = PartsError::Length { path: "b".into(), expected: 2, actual: 1 };
        let space =
            SpaceError::TooLittle { folder: crate::state::store().into(), free: 1, needed: 2 };
        let floor = FloorError::Below { channel: "a".parse().unwrap(), sequence: 1, floor: 2 };
        assert_eq!(exit_of(VerifyError::Parts(open)), Exit::Failed);
        assert_eq!(exit_of(VerifyError::Parts(cut)), Exit::Untrusted);
        assert_eq!(exit_of(VerifyError::WrongManifest), Exit::Untrusted);
        assert_eq!(exit_of(VerifyError::Distrusted(Distrust::Unsigned)), Exit::Untrusted);
        assert_eq!(exit_of(Distrust::Unsigned), Exit::Untrusted);
        assert_eq!(exit_of(TrustError::Nobody), Exit::Untrusted);
        assert_eq!(exit_of(NotAdmitted::Floor(floor)), Exit::Untrusted);
        assert_eq!(exit_of(Unsuitable::Cpu), Exit::Unsuitable);
        assert_eq!(exit_of(space), Exit::Unsuitable);
        let cannot = LicenseError::from(crate::license::CannotServe::NoPodman);
        assert_eq!(exit_of(anyhow::Error::from(cannot).context("no")), Exit::Unsuitable);
        assert_eq!(exit_of(Refused::NoFingerprint), Exit::Usage);
        let waits = ApplyError::Step { step: "x".to_owned(), source: StepError::EnrolmentWaits };
        assert_eq!(exit_of(waits), Exit::Reboot);
        assert_eq!(exit_of(Refused::NobodyToAsk), Exit::Usage);
        assert_eq!(exit_of(Refused::NotRoot), Exit::Failed);
        assert_eq!(exit_of(LockError::Held(None)), Exit::Failed);
        assert_eq!(exit_of(anyhow::anyhow!("anything else")), Exit::Failed);
    }

    #[test]
    fn a_wrapped_error_keeps_its_exit_status_and_its_hint() {
        let error: anyhow::Error = TrustError::Nobody.into();
        let error = Err::<(), _>(error.context("cannot verify")).hint("do this").unwrap_err();
        assert_eq!(exit_of(error), Exit::Untrusted);
    }

    #[test]
    fn whoever_may_not_look_is_told_who_may() {
        let denied = || {
            let kind = io::ErrorKind::PermissionDenied;
            HostError::path(Verb::Read, &crate::state::journal(), kind)
        };
        for error in [denied().into(), MachineError::Host(denied()).into()] {
            let (_, hints) = words(&error);
            assert_eq!(hints, ["run it as root"]);
        }
    }

    #[test]
    fn a_kernel_or_a_person_is_waited_for_and_nothing_else() {
        let step = |source| ApplyError::Step { step: "x".to_owned(), source };
        let (runs, needs) = ("6.8.12-4-pve".to_owned(), "6.5.13-6-pve".to_owned());
        assert!(only_waits(&step(StepError::OtherKernel { runs, needs }).into()));
        assert!(only_waits(&step(StepError::EnrolmentWaits).into()));
        assert!(!only_waits(&step(StepError::NotHeld("a".to_owned())).into()));
    }

    #[test]
    fn a_hint_may_stand_in_the_place_of_the_usual_one() {
        let error = || ApplyError::NoEffect { step: "x".to_owned() };
        let (_, usual) = words(&error().into());
        assert_eq!(usual.len(), 1);
        let (_, both) = words(&Err::<(), _>(error()).hint("a").unwrap_err());
        assert_eq!(both.len(), 2);
        let (_, one) = words(&Err::<(), _>(error()).hint_instead("a").unwrap_err());
        assert_eq!(one, ["a"]);
    }

    #[test]
    fn hints_are_no_part_of_the_message_and_no_cause_is_said_twice() {
        let inner = std::io::Error::other("disk full");
        let failed: Result<(), _> = Err(inner).hint("try again");
        let error = failed.context("cannot write: disk full").hint("ask").unwrap_err();
        let (message, hints) = words(&error);
        assert_eq!(message, "cannot write: disk full");
        assert_eq!(hints, ["ask", "try again"]);
    }
}
