use std::error::Error;
use std::fmt;
use std::process::ExitCode;

use serde::Serialize;
use vgpu_keys::{
    Distrust, DraftError, FollowError, SignedPoliciesError, SlotsError, SuccessorError,
};

use super::{Tone, paint};
use crate::{
    CopyError, CosignError, ManifestError, PartsError, ReadError, VerifyError, WriteError,
    printable,
};

/// The exit status of a run, and the word for it in JSON documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Exit {
    /// 0: done.
    Done,
    /// 1: failed.
    Failed,
    /// 2: wrong usage: the command line, or a missing answer.
    Usage,
    /// 3: a bundle, key, policy, download or cached file is not trusted, or corrupt.
    Untrusted,
    /// 4: the host, or the hosts a recipe names, cannot run what the bundle provides.
    Unsuitable,
    /// 5: the host has drifted from its bundle, or nodes differ.
    Differs,
    /// 10: done, and a reboot is needed.
    Reboot,
    /// 130: a signal has stopped the run, and the same command resumes it.
    Interrupted,
}

impl Exit {
    /// Returns the number that the process ends with.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Untrusted => 3,
            Self::Unsuitable => 4,
            Self::Differs => 5,
            Self::Reboot => 10,
            Self::Interrupted => 130,
        }
    }

    /// Returns an error with this exit status.
    #[must_use]
    pub fn error(self, message: impl Into<String>) -> Advice {
        Advice::of(message.into()).exit(self)
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// An error that knows the exit status of a run that it ends, and what to do about it.
pub trait Explain {
    /// Returns the exit status; `None` leaves the decision to the error's causes.
    fn exit(&self) -> Option<Exit> {
        None
    }

    /// Returns a sentence that starts with a verb, without a period, literals in backticks.
    fn hint(&self) -> Option<&str> {
        None
    }

    /// Returns the lines to print below the message.
    fn details(&self) -> &[String] {
        &[]
    }
}

/// A hint or an exit status that is attached to an error.
///
/// It is a link in the chain of causes, above the error that it belongs to, and is not part of the
/// message.
#[derive(Debug)]
pub struct Advice {
    exit: Option<Exit>,
    hint: Option<String>,
    replaces: bool,
    source: Box<dyn Error + Send + Sync>,
}

impl Advice {
    /// Attaches nothing yet.
    pub fn of(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { exit: None, hint: None, replaces: false, source: error.into() }
    }

    /// Sets the exit status.
    #[must_use]
    pub fn exit(self, exit: Exit) -> Self {
        Self { exit: Some(exit), ..self }
    }

    /// Sets the hint.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// Sets the hint, and suppresses the hints of the causes ([`Explain`]).
    #[must_use]
    pub fn hint_instead(self, hint: impl Into<String>) -> Self {
        Self { replaces: true, ..self.hint(hint) }
    }
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.hint {
            Some(hint) => f.write_str(hint),
            None => self.source.fmt(f),
        }
    }
}

impl Error for Advice {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}

/// Recognizes an error type in a chain of causes.
pub type Known = for<'e> fn(&'e (dyn Error + 'static)) -> Option<&'e dyn Explain>;

/// Recognizes `E`. Each program lists its own types and adds [`KNOWN`].
#[must_use]
pub fn known<'e, E: Explain + Error + 'static>(
    cause: &'e (dyn Error + 'static),
) -> Option<&'e dyn Explain> {
    cause.downcast_ref::<E>().map(|error| error as &dyn Explain)
}

/// The types of this crate and of the keys that know their exit status.
pub const KNOWN: &[Known] = &[
    known::<VerifyError>,
    known::<PartsError>,
    known::<ReadError>,
    known::<CopyError>,
    known::<WriteError>,
    known::<CosignError>,
    known::<Distrust>,
    known::<SlotsError>,
    known::<SuccessorError>,
    known::<SignedPoliciesError>,
    known::<FollowError>,
    known::<DraftError>,
];

/// The document of a command that fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ErrorDocument {
    /// The error.
    pub error: Failure,
}

/// An error for a program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Failure {
    /// The word for the exit status.
    pub class: Exit,
    /// The message, with any details below its first line.
    pub message: String,
    /// A line for each next step; `null` if there is none.
    pub hint: Option<String>,
}

/// An error as it is printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The causes, outermost first, without repetitions.
    pub message: String,
    /// Lines that belong below the message.
    pub details: Vec<String>,
    /// The hints, outermost first.
    pub hints: Vec<String>,
    /// The exit status of the outermost cause that has one.
    pub exit: Exit,
}

impl Report {
    /// Collects messages, hints and exit status from the chain of causes.
    #[must_use]
    pub fn of(error: &(dyn Error + 'static), types: &[Known]) -> Self {
        let mut report =
            Self { message: String::new(), details: vec![], hints: vec![], exit: Exit::Failed };
        let (mut last, mut exit, mut standing, mut replaced) = (None::<String>, None, None, false);
        let mut next = Some(error);
        while let Some(cause) = next {
            next = cause.source();
            if let Some(advice) = cause.downcast_ref::<Advice>() {
                exit = exit.or(advice.exit);
                replaced |= advice.replaces;
                report.hints.extend(advice.hint.clone());
                continue;
            }
            let text = cause.to_string();
            // Some errors end with the text of their cause.
            if !last.as_ref().is_some_and(|last| last.ends_with(&text)) {
                if last.is_some() {
                    report.message.push_str(": ");
                }
                report.message.push_str(&text);
                last = Some(text);
            }
            if let Some(explained) = types.iter().chain(KNOWN).find_map(|known| known(cause)) {
                exit = exit.or_else(|| explained.exit());
                standing = standing.or_else(|| explained.hint());
                report.details.extend_from_slice(explained.details());
            }
        }
        if !replaced {
            report.hints.extend(standing.map(str::to_owned));
        }
        Self { exit: exit.unwrap_or(Exit::Failed), ..report }
    }

    /// Returns the document that a command prints with `--json` if it fails.
    #[must_use]
    pub fn document(&self) -> ErrorDocument {
        let hint = (!self.hints.is_empty()).then(|| self.hints.join("\n"));
        let message =
            self.details.iter().fold(self.message.clone(), |text, line| text + "\n" + line);
        ErrorDocument { error: Failure { class: self.exit, message, hint } }
    }

    /// Returns the lines to print, safe for a terminal.
    #[must_use]
    pub fn lines(&self, is_colored: bool) -> Vec<String> {
        let word = |tone, text: &str| if is_colored { paint(tone, text) } else { text.to_owned() };
        let message: Vec<String> = self.message.lines().map(printable).collect();
        let first = format!("{} {}", word(Tone::Bad, "error:"), message.join("\n"));
        let hint = |hint: &String| format!("{} {}", word(Tone::Warn, "hint:"), printable(hint));
        let details = self.details.iter().map(|line| printable(line));
        std::iter::once(first).chain(details).chain(self.hints.iter().map(hint)).collect()
    }
}

impl Explain for VerifyError {
    fn exit(&self) -> Option<Exit> {
        Some(match self {
            Self::Parts(error) => return error.exit(),
            // An unreadable file says nothing about the bundle, nor does a later format.
            Self::Read { .. }
            | Self::Manifest(ManifestError::Format { .. } | ManifestError::TooOld { .. }) => {
                Exit::Failed
            }
            _ => Exit::Untrusted,
        })
    }
}

impl Explain for PartsError {
    fn exit(&self) -> Option<Exit> {
        Some(match self {
            Self::Open { .. } | Self::NotAFile(_) | Self::NotFirst { .. } => Exit::Failed,
            Self::Missing { .. } | Self::Length { .. } | Self::Surplus(_) => Exit::Untrusted,
        })
    }
}

impl Explain for ReadError {
    fn exit(&self) -> Option<Exit> {
        Some(match self {
            Self::Damaged(_) | Self::WholeDigest { .. } => Exit::Untrusted,
            Self::LeftOut { .. } | Self::Medium { .. } | Self::Sink { .. } => Exit::Failed,
        })
    }

    fn hint(&self) -> Option<&str> {
        matches!(self, Self::LeftOut { .. }).then_some("name that bundle, or the full one")
    }
}

impl Explain for CopyError {
    fn exit(&self) -> Option<Exit> {
        match self {
            Self::Payload(error) => error.exit(),
            Self::Changed => Some(Exit::Untrusted),
            Self::Read(_) | Self::Write(_) => None,
        }
    }
}

impl Explain for WriteError {
    fn exit(&self) -> Option<Exit> {
        matches!(self, Self::Changed { .. }).then_some(Exit::Untrusted)
    }
}

impl Explain for CosignError {
    fn exit(&self) -> Option<Exit> {
        matches!(self, Self::Replaced(_)).then_some(Exit::Untrusted)
    }
}

impl Explain for SlotsError {
    fn exit(&self) -> Option<Exit> {
        matches!(self, Self::Slot { .. }).then_some(Exit::Untrusted)
    }
}

impl Explain for Distrust {
    fn exit(&self) -> Option<Exit> {
        Some(Exit::Untrusted)
    }
}

impl Explain for SuccessorError {
    fn exit(&self) -> Option<Exit> {
        Some(Exit::Untrusted)
    }
}

impl Explain for SignedPoliciesError {
    fn exit(&self) -> Option<Exit> {
        Some(match self {
            Self::AlreadySigned(_) => Exit::Usage,
            _ => Exit::Untrusted,
        })
    }
}

impl Explain for FollowError {
    fn exit(&self) -> Option<Exit> {
        Some(Exit::Untrusted)
    }

    fn hint(&self) -> Option<&str> {
        Some(match self {
            Self::Gap { .. } => "get the missing policies, and join them: `cat POLICY… > policies`",
            Self::Refused { can_be_succeeded: false, .. } => {
                "too few of the keys that this host trusts may sign a policy, so it can be re-keyed only on the host itself: `vgpu-installer trust add` and `trust revoke`"
            }
            _ => {
                "get the missing signatures (`vgpu-installer trust list` shows which principals may sign a policy), or re-key on the host itself: `vgpu-installer trust add` and `trust revoke`"
            }
        })
    }
}

impl Explain for DraftError {
    fn exit(&self) -> Option<Exit> {
        match self {
            Self::Revoked(_) | Self::NotTrusted(_) => Some(Exit::Usage),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot use `b`")]
    struct Unfit(#[source] io::Error, Vec<String>);

    impl Explain for Unfit {
        fn exit(&self) -> Option<Exit> {
            Some(Exit::Unsuitable)
        }

        fn hint(&self) -> Option<&str> {
            Some("take another")
        }

        fn details(&self) -> &[String] {
            &self.1
        }
    }

    fn unfit() -> Unfit {
        Unfit(io::Error::other("disk full"), vec!["  because".to_owned()])
    }

    fn report(error: impl Error + 'static) -> Report {
        Report::of(&error, &[known::<Unfit>])
    }

    #[test]
    fn a_hint_is_no_part_of_the_message() {
        let error = Advice::of(Advice::of("no").hint("try again")).hint("ask");
        let report = report(error);
        assert_eq!(report.lines(false), ["error: no", "hint: ask", "hint: try again"]);
        assert_eq!(report.exit, Exit::Failed);
    }

    #[test]
    fn details_are_below_the_message_and_above_the_hints() {
        let report = report(Advice::of(unfit()).hint("ask"));
        assert_eq!(
            report.lines(false),
            ["error: cannot use `b`: disk full", "  because", "hint: ask", "hint: take another"]
        );
        assert_eq!(report.exit, Exit::Unsuitable);
    }

    #[test]
    fn the_outermost_exit_status_counts_and_a_hint_can_replace_the_usual_one() {
        let report = report(Advice::of(unfit()).hint_instead("wait").exit(Exit::Usage));
        assert_eq!((report.exit, report.hints), (Exit::Usage, vec!["wait".to_owned()]));
    }

    #[test]
    fn no_cause_is_printed_twice() {
        #[derive(Debug, thiserror::Error)]
        #[error("cannot write: {0}")]
        struct Twice(#[source] io::Error);
        assert_eq!(report(Twice(io::Error::other("full"))).message, "cannot write: full");
    }

    #[test]
    fn control_characters_are_escaped_and_only_state_words_are_colored() {
        let lines = report(Advice::of("a\u{7}\nb").hint("c\u{1b}")).lines(true);
        let [error, hint] = &lines[..] else { panic!("{lines:?}") };
        assert_eq!(error, "\u{1b}[1;31merror:\u{1b}[0m a\\u{7}\nb");
        assert_eq!(hint, "\u{1b}[33mhint:\u{1b}[0m c\\u{1b}");
    }

    #[test]
    fn every_kind_of_distrust_has_status_3_and_an_unreadable_file_has_1() {
        let exit = |error: VerifyError| report(error).exit;
        let cut = PartsError::Length { path: "b".into(), expected: 2, actual: 1 };
        let read = || io::Error::other("bad sector");
        assert_eq!(exit(VerifyError::Parts(PartsError::NotAFile("b".into()))), Exit::Failed);
        assert_eq!(exit(VerifyError::Parts(cut)), Exit::Untrusted);
        assert_eq!(exit(VerifyError::WrongManifest), Exit::Untrusted);
        assert_eq!(exit(VerifyError::Distrusted(Distrust::Unsigned)), Exit::Untrusted);
        assert_eq!(exit(VerifyError::Read { what: "b".into(), source: read() }), Exit::Failed);
        assert_eq!(report(CopyError::Changed).exit, Exit::Untrusted);
        assert_eq!(report(CopyError::Read(read())).exit, Exit::Failed);
    }
}
