use std::error::Error;
use std::process::ExitCode;

use vgpu_keys::SlotsError;
use vgpu_manifest::{
    CopyError, CosignError, ManifestError, PartsError, ReadError, VerifyError, WriteError,
};

use crate::apt::{AptError, UpstreamError};
use crate::cache::CacheError;
use crate::commands::fleet::{NotSigned, NotTheSame};
use crate::commands::init::Misuse;
use crate::fleet::ReportError;
use crate::options::NotSuitable;
use crate::proposal::NoProposal;
use crate::recheck::RecheckError;
use crate::sbom::CratesError;
use crate::stick::{ProgramError, StickError};
use crate::ui::{NotPrinted, Ui};
use crate::unlock::Unfit;

/// How a run ended, as its exit status says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// 0: done.
    Done,
    /// 1: something could not be done.
    Failed,
    /// 2: the command line makes no sense.
    Usage,
    /// 3: a bundle or a cached file is not trusted, or corrupt.
    Untrusted,
    /// 4: what is to be made cannot work where it is to be used.
    Unsuitable,
    /// 5: what should be the same is not.
    Differs,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Untrusted => 3,
            Exit::Unsuitable => 4,
            Exit::Differs => 5,
        })
    }
}

/// What to do next. It stands in the chain of an error, above the error that it is about.
#[derive(Debug, thiserror::Error)]
#[error("{hint}")]
struct Hinted {
    hint: String,
    source: anyhow::Error,
}

/// Adds what a person may do about an error.
pub(crate) trait Advise<T> {
    /// Add a hint: a sentence without a period, literals in backticks.
    fn hint(self, hint: impl Into<String>) -> anyhow::Result<T>;
}

impl<T, E: Into<anyhow::Error>> Advise<T> for Result<T, E> {
    fn hint(self, hint: impl Into<String>) -> anyhow::Result<T> {
        self.map_err(|error| Hinted { hint: hint.into(), source: error.into() }.into())
    }
}

/// Tell what went wrong and return how the run ends.
pub(crate) fn tell(ui: &Ui, error: &anyhow::Error) -> Exit {
    if error.downcast_ref().is_some_and(NotPrinted::is_broken_pipe) {
        return Exit::Done;
    }
    let mut told: Vec<String> = Vec::new();
    for cause in error.chain().filter(|cause| !cause.is::<Hinted>()) {
        let text = cause.to_string();
        // Some errors end with the text of their cause.
        if !told.last().is_some_and(|last| last.ends_with(&text)) {
            told.push(text);
        }
    }
    ui.say(format_args!("error: {}", told.join(": ")));
    for reason in error.chain().filter_map(|it| it.downcast_ref()).flat_map(AptError::reasons) {
        ui.say(reason);
    }
    for hinted in error.chain().filter_map(|cause| cause.downcast_ref::<Hinted>()) {
        ui.say(format_args!("hint: {hinted}"));
    }
    if error.chain().any(<dyn Error>::is::<Misuse>) {
        Exit::Usage
    } else if error.chain().any(is_distrust) {
        Exit::Untrusted
    } else if error.chain().any(is_unsuitable) {
        Exit::Unsuitable
    } else if error.chain().any(<dyn Error>::is::<NotTheSame>) {
        Exit::Differs
    } else {
        Exit::Failed
    }
}

/// Is what was asked for not to be had, whatever one does here?
fn is_unsuitable(cause: &(dyn Error + 'static)) -> bool {
    cause.is::<NotSuitable>()
        || cause.is::<NoProposal>()
        || cause.is::<Unfit>()
        || cause.downcast_ref().is_some_and(AptError::is_unsatisfiable)
}

/// Did somebody look at bytes, or at who signed them, and not believe them?
fn is_distrust(cause: &(dyn Error + 'static)) -> bool {
    let verify = |error: &VerifyError| match error {
        VerifyError::Read { .. }
        | VerifyError::Manifest(ManifestError::Format { .. } | ManifestError::TooOld { .. }) => {
            false
        }
        VerifyError::Parts(error) => !matches!(
            error,
            PartsError::Open { .. } | PartsError::NotAFile(_) | PartsError::NotFirst { .. }
        ),
        _ => true,
    };
    let read =
        |error: &ReadError| matches!(error, ReadError::Damaged(_) | ReadError::WholeDigest { .. });
    let report = |error: &ReportError| {
        !matches!(
            error,
            ReportError::Read { .. } | ReportError::Malformed { .. } | ReportError::Schema { .. }
        )
    };
    let copy = |error: &CopyError| match error {
        CopyError::Payload(error) => read(error),
        error => matches!(error, CopyError::Changed),
    };
    cause.downcast_ref().is_some_and(verify)
        || cause.downcast_ref().is_some_and(copy)
        || matches!(cause.downcast_ref(), Some(CratesError::Read(error)) if read(error))
        || cause.downcast_ref().is_some_and(read)
        || cause.downcast_ref().is_some_and(AptError::is_distrust)
        || cause.downcast_ref().is_some_and(UpstreamError::is_distrust)
        || matches!(cause.downcast_ref(), Some(CacheError::Damaged(_)))
        || matches!(cause.downcast_ref(), Some(WriteError::Changed { .. }))
        || matches!(cause.downcast_ref(), Some(CosignError::Replaced(_)))
        || matches!(cause.downcast_ref(), Some(SlotsError::Slot { .. }))
        || matches!(cause.downcast_ref(), Some(StickError::Differs { .. }))
        || matches!(cause.downcast_ref(), Some(RecheckError::Differs { .. }))
        || cause.downcast_ref().is_some_and(report)
        || cause.is::<NotSigned>()
        || matches!(
            cause.downcast_ref(),
            Some(ProgramError::Distrusted { .. } | ProgramError::Signature { .. })
        )
}

#[cfg(test)]
mod tests {
    use anyhow::{Context as _, anyhow};

    use super::*;
    use crate::apt::Explanation;

    #[test]
    fn a_hint_is_told_wherever_it_stands_and_is_no_part_of_the_message() {
        let failed: anyhow::Result<()> = Err(anyhow!("no")).hint("try again");
        let error = failed.context("cannot do it").hint("ask").unwrap_err();
        let ui = Ui::remembering();
        assert_eq!(tell(&ui, &error), Exit::Failed);
        assert_eq!(ui.said(), ["error: cannot do it: no", "hint: ask", "hint: try again"]);
    }

    #[test]
    fn reasons_are_lines_below_the_message_and_above_the_hints() {
        let lines = ["`a` cannot be installed:", "  a 1 needs b: no archive has b"];
        let why = Explanation { lines: lines.map(str::to_owned).into(), ways_out: Vec::new() };
        let failed: Result<(), AptError> =
            Err(AptError::NoBase { release: "bookworm".parse().unwrap(), why });
        let error = failed.hint("add an archive").unwrap_err();
        let ui = Ui::remembering();
        tell(&ui, &error);
        let [message, reason, hint] = &ui.said()[..] else { panic!("{:?}", ui.said()) };
        assert!(message.ends_with(": `a` cannot be installed:"), "{message}");
        assert_eq!(reason, lines[1]);
        assert_eq!(hint, "hint: add an archive");
    }
}
