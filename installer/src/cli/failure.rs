use std::io;

use vgpu_manifest::ui::{Advice, Exit, Explain, Known, Report, known};

use super::Removable;
use crate::fit::NoFit;
use crate::host::HostError;
use crate::host::real::{LockError, Signal, received_signal};
use crate::journal::RevertError;
use crate::license::LicenseError;
use crate::locked_host::LockedHostError;
use crate::packages::UpstreamError;
use crate::plan::{ApplyError, RehearseError, Unsuitable};
use crate::store::{LeftOut, SpaceError, StageError};
use crate::trust::{FloorError, NotAdmitted, TrustError};
use crate::ui::Ui;

/// The error types of this program that decide an exit status or have a hint.
const TYPES: &[Known] = &[
    known::<Refused>,
    known::<NotAdmitted>,
    known::<TrustError>,
    known::<Unsuitable>,
    known::<RehearseError>,
    known::<LicenseError>,
    known::<NoFit>,
    known::<SpaceError>,
    known::<StageError>,
    known::<LeftOut>,
    known::<ApplyError>,
    known::<LockedHostError>,
    known::<LockError>,
    known::<RevertError>,
    known::<FloorError>,
    known::<UpstreamError>,
    known::<HostError>,
];

/// A request that was refused before anything happened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error("only root can do that")]
    NotRoot,
    /// After a reboot the program would be gone.
    #[error("this program runs from {0}, but changes a host only from a disk of the host")]
    FromMedium(Removable),
    #[error("cannot determine the medium that this program runs from: {0}")]
    UnknownMedium(io::Error),
    #[error("no terminal to ask on, and `--yes` was not given")]
    NoTerminal,
    #[error("nothing was changed")]
    Declined,
    #[error("there is no terminal to confirm the key on, and `--fingerprint` was not given")]
    NoFingerprint,
    #[error("the key has the fingerprint {actual}, expected {expected}")]
    OtherKey { expected: vgpu_keys::Fingerprint, actual: vgpu_keys::Fingerprint },
    #[error("there is no terminal to confirm the policy on, and `--sha256` was not given")]
    NoDigest,
    #[error("the policy has SHA-256 {actual}, expected {expected}")]
    OtherPolicy { expected: vgpu_manifest::Digest, actual: vgpu_manifest::Digest },
    #[error(
        "this host has policy {have}, and the newest one in the file is {last}; an older policy never comes back"
    )]
    OlderPolicy { have: u64, last: u64 },
    /// Options that contradict each other or the host.
    #[error("{0}")]
    Senseless(String),
    /// An interrupted run has to be completed first.
    #[error("{0}")]
    Unfinished(String),
    /// An upgrade failed and was reverted.
    #[error("the new bundle did not work, and the host is back at {to}: {why}")]
    RolledBack { to: String, why: String },
    /// The host cannot be read, or its state is not safe.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The host changed between the plan that was shown and its execution.
    #[error("the host has changed since the plan was made")]
    Changed,
}

impl Explain for Refused {
    fn exit(&self) -> Option<Exit> {
        Some(match self {
            Self::NoFingerprint | Self::NoDigest | Self::NoTerminal | Self::Senseless(_) => {
                Exit::Usage
            }
            Self::OtherKey { .. } | Self::OtherPolicy { .. } | Self::OlderPolicy { .. } => {
                Exit::Untrusted
            }
            _ => Exit::Failed,
        })
    }

    fn hint(&self) -> Option<&str> {
        match self {
            Self::NotRoot => Some("run it as root, or work on a folder with `--root DIR`"),
            Self::FromMedium(_) => Some(
                "copy it to a folder that only root can write to, check its signature, and run the copy: `install -m 0755 vgpu-installer /usr/local/sbin/`",
            ),
            Self::NoTerminal => Some("review `vgpu-installer plan` first, then pass `--yes`"),
            Self::NoFingerprint => {
                Some("pass the fingerprint you obtained out of band: `--fingerprint SHA256:…`")
            }
            Self::NoDigest => Some("pass the digest you obtained out of band: `--sha256 DIGEST`"),
            Self::OtherPolicy { .. } => Some(
                "do not use the policy before you know why it differs; it may have been swapped",
            ),
            Self::OtherKey { .. } => Some(
                "do not trust the key before you know why it differs; it may have been swapped",
            ),
            Self::Host(error) => error.hint(),
            Self::Changed => Some("run the command again and review the new plan"),
            _ => None,
        }
    }
}

/// Wraps an error so that the report can still recognize its type.
///
/// The plain conversion of `anyhow::Error` into a box hides the type from `downcast_ref`.
fn advice(error: impl Into<anyhow::Error>) -> Advice {
    Advice::of(error.into().reallocate_into_boxed_dyn_error_without_backtrace())
}

/// Attaches hints to errors.
pub(crate) trait Advise<T> {
    /// Adds a hint: a sentence that starts with a verb, without a period, literals in backticks.
    fn hint(self, hint: impl Into<String>) -> anyhow::Result<T>;

    /// Adds a hint, and suppresses the one that the error has of its own.
    fn hint_instead(self, hint: impl Into<String>) -> anyhow::Result<T>;
}

impl<T, E: Into<anyhow::Error>> Advise<T> for Result<T, E> {
    fn hint(self, hint: impl Into<String>) -> anyhow::Result<T> {
        self.map_err(|error| advice(error).hint(hint).into())
    }

    fn hint_instead(self, hint: impl Into<String>) -> anyhow::Result<T> {
        self.map_err(|error| advice(error).hint_instead(hint).into())
    }
}

/// Explains an error of a run that a signal has stopped: nothing else has to be fixed, and the same
/// command resumes.
fn if_stopped(error: anyhow::Error) -> anyhow::Error {
    match received_signal() {
        Some(signal) => stopped(error, signal),
        None => error,
    }
}

fn stopped(error: anyhow::Error, signal: Signal) -> anyhow::Error {
    let error = error.context(format!("interrupted by {signal}"));
    let advice = advice(error).hint_instead("run the same command again; the journal is ready");
    advice.exit(Exit::Interrupted).into()
}

/// Prints the end of a run: an error with its hints, or the document of a change. Returns the exit
/// status.
pub(crate) fn conclude(ui: &Ui, result: anyhow::Result<Exit>) -> Exit {
    // A reader that closes the pipe has read enough.
    let broken = |cause: &io::Error| cause.kind() == io::ErrorKind::BrokenPipe;
    let result = match result {
        Err(error) if error.root_cause().downcast_ref().is_some_and(broken) => return Exit::Done,
        result => result.map_err(|error| report(&if_stopped(error))),
    };
    if let Err(report) = &result {
        ui.report(report);
    }
    ui.conclude(&result);
    result.unwrap_or_else(|report| report.exit)
}

/// Whether nothing has failed, and only a reboot is needed to resume.
pub(crate) fn only_waits(error: &anyhow::Error) -> bool {
    report(error).exit == Exit::Reboot
}

fn report(error: &anyhow::Error) -> Report {
    Report::of(error.as_ref(), TYPES)
}

#[cfg(test)]
mod tests {
    use vgpu_keys::Distrust;
    use vgpu_manifest::VerifyError;

    use super::*;
    use crate::host::Verb;
    use crate::host::real::Holder;
    use crate::step::StepError;

    fn exit_of(error: impl Into<anyhow::Error>) -> Exit {
        report(&error.into()).exit
    }

    #[test]
    fn every_kind_of_failure_has_its_exit_status() {
        let folder = crate::state::store().into();
        let space = SpaceError::TooLittle { folder, free: 1, needed: 2 };
        let floor = FloorError::Below { channel: "a".parse().unwrap(), sequence: 1, floor: 2 };
        assert_eq!(exit_of(VerifyError::WrongManifest), Exit::Untrusted);
        assert_eq!(exit_of(Distrust::Unsigned), Exit::Untrusted);
        assert_eq!(exit_of(TrustError::NoPolicy), Exit::Untrusted);
        assert_eq!(exit_of(NotAdmitted::Floor(floor)), Exit::Untrusted);
        assert_eq!(exit_of(Unsuitable::Reason("why".to_owned())), Exit::Unsuitable);
        assert_eq!(exit_of(space), Exit::Unsuitable);
        let cannot = LicenseError::Cannot("why".to_owned());
        assert_eq!(exit_of(anyhow::Error::from(cannot).context("no")), Exit::Unsuitable);
        assert_eq!(exit_of(Refused::NoFingerprint), Exit::Usage);
        let waits = ApplyError::Step { step: "x".to_owned(), source: StepError::EnrollmentWaits };
        assert_eq!(exit_of(waits), Exit::Reboot);
        assert_eq!(exit_of(Refused::NoTerminal), Exit::Usage);
        assert_eq!(exit_of(Refused::NotRoot), Exit::Failed);
        assert_eq!(exit_of(LockError::Held(Holder::Run(None))), Exit::Failed);
        assert_eq!(exit_of(anyhow::anyhow!("anything else")), Exit::Failed);
    }

    #[test]
    fn a_wrapped_error_keeps_its_exit_status_and_its_hint() {
        let error: anyhow::Error = TrustError::NoPolicy.into();
        let error = Err::<(), _>(error.context("cannot verify")).hint("do this").unwrap_err();
        assert_eq!(report(&error).hints.len(), 2);
        assert_eq!(exit_of(error), Exit::Untrusted);
    }

    #[test]
    fn a_denied_permission_needs_root() {
        let denied = || {
            let kind = io::ErrorKind::PermissionDenied;
            HostError::path(Verb::Read, &crate::state::journal(), kind)
        };
        for error in [denied().into(), LockedHostError::Host(denied()).into()] {
            assert_eq!(report(&error).hints, ["run it as root"]);
        }
    }

    #[test]
    fn a_kernel_or_a_person_is_waited_for_and_nothing_else() {
        let step = |source| ApplyError::Step { step: "x".to_owned(), source };
        let (runs, needs) = ("6.8.12-4-pve".to_owned(), "6.5.13-6-pve".to_owned());
        assert!(only_waits(&step(StepError::OtherKernel { runs, needs }).into()));
        assert!(only_waits(&step(StepError::EnrollmentWaits).into()));
        assert!(!only_waits(&step(StepError::Reason("a".to_owned())).into()));
    }

    #[test]
    fn a_hint_can_replace_the_usual_one() {
        let error = || ApplyError::NoEffect { step: "x".to_owned() };
        assert_eq!(report(&error().into()).hints.len(), 1);
        assert_eq!(report(&Err::<(), _>(error()).hint("a").unwrap_err()).hints.len(), 2);
        assert_eq!(report(&Err::<(), _>(error()).hint_instead("a").unwrap_err()).hints, ["a"]);
    }
}
