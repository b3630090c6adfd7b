//! Output: results go to stdout, everything else to stderr.

mod advise;
mod ask;
#[cfg(feature = "bars")]
use indicatif as bars;
#[cfg(not(feature = "bars"))]
#[path = "no_bars.rs"]
mod bars;
mod batch;
mod transfer;

use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use serde::Serialize;
use vgpu_manifest::printable;
use vgpu_manifest::ui::{Color, Report};

pub(crate) use self::advise::Advise;
pub(crate) use self::ask::{Answer, Prompt};
use self::bars::{MultiProgress, ProgressDrawTarget};
use self::batch::Total;
pub(crate) use self::transfer::Transfer;

/// How much goes to stderr.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Talk {
    /// Notes, and progress bars on a terminal.
    Normal,
    /// Errors and warnings only.
    Quiet,
}

/// The writer of stderr.
#[derive(Debug)]
pub(crate) struct Ui {
    talk: Talk,
    stderr: Stderr,
    is_colored: bool,
    bars: MultiProgress,
    /// The transfers that run together now.
    batch: Mutex<Option<Arc<Total>>>,
    #[cfg(test)]
    memory: Mutex<Vec<String>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stderr {
    Terminal,
    Lines,
    /// A test reads what is printed.
    #[cfg(test)]
    Memory,
}

impl Ui {
    /// Prints to stderr.
    #[must_use]
    pub(crate) fn new(talk: Talk, color: Color) -> Self {
        let no_color = std::env::var_os("NO_COLOR");
        let is_terminal = io::stderr().is_terminal();
        let is_colored = color.applies(is_terminal, no_color.as_deref());
        let stderr = if is_terminal { Stderr::Terminal } else { Stderr::Lines };
        let bars = match (talk, stderr) {
            (Talk::Normal, Stderr::Terminal) => ProgressDrawTarget::stderr(),
            _ => ProgressDrawTarget::hidden(),
        };
        Self {
            talk,
            stderr,
            is_colored,
            bars: MultiProgress::with_draw_target(bars),
            batch: Mutex::default(),
            #[cfg(test)]
            memory: Mutex::default(),
        }
    }

    /// Prints a line that matters: a warning, an answer to a question.
    pub(crate) fn say(&self, line: impl Display) {
        self.put(printable(&line.to_string()));
    }

    /// Prints an error and its hints.
    pub(crate) fn report(&self, report: &Report) {
        report.lines(self.is_colored).into_iter().for_each(|line| self.put(line));
    }

    /// Prints a line that is safe for a terminal.
    #[cfg_attr(not(test), expect(clippy::needless_pass_by_value, reason = "tests keep the line"))]
    fn put(&self, line: String) {
        #[cfg(test)]
        if self.stderr == Stderr::Memory {
            self.memory.lock().unwrap().push(line);
            return;
        }
        // A failure to write to stderr cannot be reported anywhere.
        self.bars.suspend(|| {
            let _ = writeln!(io::stderr(), "{line}");
        });
    }

    /// Prints a line about the progress of the work, unless `--quiet` is given.
    pub(crate) fn note(&self, line: impl Display) {
        if self.talk == Talk::Normal {
            self.say(line);
        }
    }

    /// Shows the progress of a transfer.
    #[must_use]
    pub(crate) fn transfer(&self, verb: &'static str, name: &str) -> Transfer<'_> {
        Transfer::new(self, verb, &printable(name))
    }
}

/// A failure to write to stdout.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to the standard output")]
pub(crate) struct NotPrinted(#[from] io::Error);

impl NotPrinted {
    pub(crate) fn is_broken_pipe(&self) -> bool {
        self.0.kind() == io::ErrorKind::BrokenPipe
    }
}

/// Prints lines to stdout, with control characters escaped.
pub(crate) fn print<L: AsRef<str>>(lines: impl IntoIterator<Item = L>) -> Result<(), NotPrinted> {
    let mut out = io::stdout().lock();
    for line in lines {
        writeln!(out, "{}", printable(line.as_ref()))?;
    }
    Ok(out.flush()?)
}

/// Whether the JSON document of this run is printed.
static PRINTED: AtomicBool = AtomicBool::new(false);

/// Checks whether this run has printed its JSON document: then an error must not print another.
pub(crate) fn has_printed_json() -> bool {
    PRINTED.load(Ordering::Relaxed)
}

/// Prints a value to stdout as JSON.
pub(crate) fn print_json(value: &impl Serialize) -> Result<(), NotPrinted> {
    PRINTED.store(true, Ordering::Relaxed);
    let mut out = io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, value).map_err(io::Error::from)?;
    writeln!(out)?;
    Ok(out.flush()?)
}

/// Prints a trusted text to stdout as it is: a script, a manual page.
#[cfg(feature = "pages")]
pub(crate) fn print_text(text: &[u8]) -> Result<(), NotPrinted> {
    let mut out = io::stdout().lock();
    out.write_all(text)?;
    Ok(out.flush()?)
}

#[cfg(test)]
impl Ui {
    pub(crate) fn remembering() -> Self {
        Self {
            talk: Talk::Normal,
            stderr: Stderr::Memory,
            is_colored: false,
            bars: MultiProgress::with_draw_target(ProgressDrawTarget::hidden()),
            batch: Mutex::default(),
            memory: Mutex::default(),
        }
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.memory.lock().unwrap().clone()
    }
}
