//! All talk of the program, which goes to stderr. What a command was asked for goes to stdout.

mod data;
mod transfer;

use std::fmt::Display;
use std::io::{IsTerminal as _, Write as _};
#[cfg(test)]
use std::sync::Mutex;

use indicatif::{MultiProgress, ProgressDrawTarget};

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
    bars: MultiProgress,
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
    /// Talk on stderr.
    #[must_use]
    pub(crate) fn new(talk: Talk) -> Self {
        let looks = if std::io::stderr().is_terminal() { Looks::Terminal } else { Looks::Lines };
        let bars = match (talk, looks) {
            (Talk::Normal, Looks::Terminal) => ProgressDrawTarget::stderr(),
            _ => ProgressDrawTarget::hidden(),
        };
        Self {
            talk,
            looks,
            bars: MultiProgress::with_draw_target(bars),
            #[cfg(test)]
            memory: Mutex::default(),
        }
    }

    /// Say a line that matters: an error, a warning, an answer to what was asked.
    pub(crate) fn say(&self, line: impl Display) {
        let line = printable(&line.to_string());
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
            bars: MultiProgress::with_draw_target(ProgressDrawTarget::hidden()),
            memory: Mutex::default(),
        }
    }

    /// What was said so far.
    pub(crate) fn said(&self) -> Vec<String> {
        self.memory.lock().unwrap().clone()
    }
}

/// `text` without anything that a terminal takes for more than a character.
///
/// Errors escape what comes from outside where they quote it. This is the net below them: names
/// from servers, archives and the system end up in messages of libraries as well.
#[must_use]
pub(crate) fn printable(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            // Escapes control characters, and those that hide or reorder text.
            c if c.is_control() || !is_plain(c) => safe.extend(c.escape_debug()),
            c => safe.push(c),
        }
    }
    safe
}

/// Neither invisible nor a change of direction.
fn is_plain(c: char) -> bool {
    !matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_a_terminal_that_it_would_obey() {
        assert_eq!(printable("naïve `a/b` 日本"), "naïve `a/b` 日本");
        assert_eq!(printable("a\u{1b}[2J\r\nb\t\u{9b}c"), "a\\u{1b}[2J\\r\\nb\\t\\u{9b}c");
        assert_eq!(printable("x\u{202e}gpj.exe"), "x\\u{202e}gpj.exe");
    }
}
