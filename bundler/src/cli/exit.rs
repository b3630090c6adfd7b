//! The exit status of a run, and the report of the error that ended it.

use vgpu_manifest::ui::{Exit, Known, Report, known};

use crate::apt::{AptError, UpstreamError};
use crate::cache::CacheError;
use crate::cli::Format;
use crate::prove::Disproof;
use crate::recheck::RecheckError;
use crate::sbom::CratesError;
use crate::ui::{NotPrinted, Ui, has_printed_json, print_json};

/// The error types of this program that decide an exit status.
const TYPES: &[Known] = &[
    known::<AptError>,
    known::<UpstreamError>,
    known::<CacheError>,
    known::<Disproof>,
    known::<RecheckError>,
    known::<CratesError>,
];

/// Returns the exit status that an error causes.
#[cfg(test)]
pub(crate) fn status(error: &anyhow::Error) -> Exit {
    Report::of(error.as_ref(), TYPES).exit
}

/// Prints an error, unless stdout has a document already also as one, and returns the exit status
/// that it causes.
pub(crate) fn report(ui: &Ui, error: &anyhow::Error, format: Format) -> Exit {
    // A reader that closes the pipe has read enough.
    if error.downcast_ref().is_some_and(NotPrinted::is_broken_pipe) {
        return Exit::Done;
    }
    let report = Report::of(error.as_ref(), TYPES);
    ui.report(&report);
    if format == Format::Json && !has_printed_json() {
        // If stdout is closed, the error cannot be reported to its reader.
        let _ = print_json(&report.document());
    }
    report.exit
}

#[cfg(test)]
mod tests {
    use anyhow::{Context as _, anyhow};

    use super::*;
    use crate::apt::Explanation;
    use crate::ui::Advise as _;

    #[test]
    fn hints_and_statuses_survive_the_context_around_them() {
        let failed: anyhow::Result<()> = Err(anyhow!("no")).exit(Exit::Usage).hint("try again");
        let error = failed.context("cannot do it").hint("ask").unwrap_err();
        let ui = Ui::remembering();
        assert_eq!(report(&ui, &error, Format::Text), Exit::Usage);
        assert_eq!(ui.lines(), ["error: cannot do it: no", "hint: ask", "hint: try again"]);
    }

    #[test]
    fn the_reasons_of_the_solver_are_below_the_message_and_above_the_hints() {
        let lines = ["`a` cannot be installed:", "  a 1 needs b: no archive has b"];
        let why = Explanation { lines: lines.map(str::to_owned).into(), hints: Vec::new() };
        let failed: Result<(), AptError> =
            Err(AptError::NoBase { release: "bookworm".parse().unwrap(), why });
        let error = failed.hint("add an archive").unwrap_err();
        let ui = Ui::remembering();
        report(&ui, &error, Format::Text);
        let [message, reason, hint] = &ui.lines()[..] else { panic!("{:?}", ui.lines()) };
        assert!(message.ends_with(": `a` cannot be installed:"), "{message}");
        assert_eq!(reason, lines[1]);
        assert_eq!(hint, "hint: add an archive");
    }
}
