//! All talk of the program, which goes to stderr. What a command was asked for goes to stdout.

mod ask;
#[cfg(feature = "bars")]
use indicatif as bars;
#[cfg(not(feature = "bars"))]
#[path = "no_bars.rs"]
mod bars;
mod batch;
mod data;
mod pulse;
mod transfer;

use std::fmt::Display;
use std::io::{IsTerminal as _, Write as _};
use std::sync::{Arc, Mutex};

use vgpu_manifest::printable;
use vgpu_manifest::ui::{Color, Report};

pub(crate) use self::ask::{Answer, Ended, Somebody};
use self::bars::{MultiProgress, ProgressDrawTarget};
use self::batch::Total;
#[cfg(feature = "pages")]
pub(crate) use self::data::print_text;
pub(crate) use self::data::{NotPrinted, print, print_json};
pub(crate) use self::transfer::Transfer;

/// How much the program says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Talk {
    /// What is done, with progress bars on a terminal.
    Normal,
    /// Only what went wrong.
    Quiet,
}

/// The one who talks.
#[derive(Debug)]
pub(crate) struct Ui {
    talk: Talk,
    looks: Looks,
    is_colored: bool,
    bars: MultiProgress,
    /// The transfers that run together at this time.
    batch: Mutex<Option<Arc<Total>>>,
    #[cfg(test)]
    memory: Mutex<Vec<String>>,
}

/// What stderr is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Looks {
    Terminal,
    Lines,
    /// A test listens.
    #[cfg(test)]
    Memory,
}

impl Ui {
    /// Prints to stderr.
    #[must_use]
    pub(crate) fn new(talk: Talk, color: Color) -> Self {
        let no_color = std::env::var_os("NO_COLOR");
        let is_colored = color.applies(std::io::stderr().is_terminal(), no_color.as_deref());
        let looks = if std::io::stderr().is_terminal() { Looks::Terminal } else { Looks::Lines };
        let bars = match (talk, looks) {
            (Talk::Normal, Looks::Terminal) => ProgressDrawTarget::stderr(),
            _ => ProgressDrawTarget::hidden(),
        };
        Self {
            talk,
            looks,
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
    fn put(&self, line: String) {
        #[cfg(test)]
        if self.looks == Looks::Memory {
            self.memory.lock().unwrap().push(line);
            return;
        }
        // Nobody is left to complain to when stderr is closed.
        self.bars.suspend(|| {
            let _ = writeln!(std::io::stderr(), "{line}");
        });
    }

    /// Say a line about what is going on, unless silence was asked for.
    pub(crate) fn note(&self, line: impl Display) {
        if self.talk == Talk::Normal {
            self.say(line);
        }
    }

    /// Show how far a transfer is.
    #[must_use]
    pub(crate) fn transfer(&self, verb: &'static str, name: &str) -> Transfer<'_> {
        Transfer::new(self, verb, &printable(name))
    }
}

#[cfg(test)]
impl Ui {
    /// One who talks to the test.
    pub(crate) fn remembering() -> Self {
        Self {
            talk: Talk::Normal,
            looks: Looks::Memory,
            is_colored: false,
            bars: MultiProgress::with_draw_target(ProgressDrawTarget::hidden()),
            batch: Mutex::default(),
            memory: Mutex::default(),
        }
    }

    /// What was said so far.
    pub(crate) fn said(&self) -> Vec<String> {
        self.memory.lock().unwrap().clone()
    }
}
