//! How the program talks: what was asked for goes to stdout, all else to stderr.

mod date;
mod progress;
mod silence;

use std::ffi::OsStr;
use std::fmt::Display;
use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

pub use self::date::Date;
pub use self::progress::Progress;
pub use vgpu_manifest::printable;
pub use vgpu_manifest::ui::{ByteSize, Tone};
use vgpu_manifest::ui::{Color, Report, paint, unpainted};

use crate::host::real::{On, RunLog};

/// The one who talks.
#[derive(Debug)]
pub struct Ui {
    out: Stream,
    err: Stream,
    asks: Asks,
    log: OnceLock<Arc<RunLog>>,
}

/// Standard output or standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stream {
    is_terminal: bool,
    is_colored: bool,
}

/// Whether there is somebody to answer a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asks {
    Somebody,
    Nobody,
}

/// There is no terminal on which a question could be asked.
#[derive(Debug, thiserror::Error)]
#[error("no terminal to ask on")]
pub struct NobodyThere;

impl Ui {
    /// Uses the streams of this process.
    ///
    /// `no_color` is the value of the environment variable `NO_COLOR`.
    #[must_use]
    pub fn new(color: Color, no_color: Option<&OsStr>) -> Self {
        let stream =
            |is_terminal| Stream { is_terminal, is_colored: color.applies(is_terminal, no_color) };
        let (out, err) = (stream(io::stdout().is_terminal()), stream(io::stderr().is_terminal()));
        let asks = io::stdin().is_terminal() && err.is_terminal;
        let asks = if asks { Asks::Somebody } else { Asks::Nobody };
        Self { out, err, asks, log: OnceLock::new() }
    }

    /// Write down what is said, too.
    pub fn also_to(&self, log: Arc<RunLog>) {
        let _ = self.log.set(log);
    }

    /// Write down how the program ends.
    pub fn ends(&self, status: u8) {
        if let Some(log) = self.log.get() {
            log.close(status);
        }
    }

    /// Since then the program has not worked, but this.
    pub fn spent(&self, on: On, since: Instant) {
        if let Some(log) = self.log.get() {
            log.spend(on, since.elapsed());
        }
    }

    /// Say a line on stderr.
    pub fn say(&self, line: impl Display) {
        let line = line.to_string();
        self.write_down(&line);
        // Nobody is left to complain to when stderr is closed.
        let _ = writeln!(io::stderr(), "{line}");
    }

    /// Prints an error and its hints on stderr.
    pub fn report(&self, report: &Report) {
        report.lines(self.err.is_colored).iter().for_each(|line| self.say(line));
    }

    fn write_down(&self, text: &str) {
        if let Some(log) = self.log.get() {
            log.said(&unpainted(text));
        }
    }

    /// Print a line of what was asked for.
    pub fn print(&self, line: impl Display) -> io::Result<()> {
        writeln!(io::stdout().lock(), "{line}")
    }

    /// Print a document that ends in a line feed of its own.
    pub fn print_document(&self, document: &str) -> io::Result<()> {
        io::stdout().lock().write_all(document.as_bytes())
    }

    /// `text` as it is to look on stdout.
    #[must_use]
    pub fn paint(&self, tone: Tone, text: &str) -> String {
        self.out.paint(tone, text)
    }

    /// `text` as it is to look on stderr.
    #[must_use]
    pub fn paint_talk(&self, tone: Tone, text: &str) -> String {
        self.err.paint(tone, text)
    }

    /// Show how far work on `total` bytes is, on a terminal.
    #[must_use]
    pub fn progress(&self, verb: &'static str, total: u64) -> Progress {
        Progress::new(verb, total, self.err.is_terminal)
    }

    /// Whether a question would be answered.
    #[must_use]
    pub fn can_ask(&self) -> bool {
        self.asks == Asks::Somebody
    }

    /// Ask a question and return the answer, without blanks around it. The end of input is an
    /// empty answer.
    pub fn ask(&self, question: &str) -> Result<String, NobodyThere> {
        Ok(self.answer(question)?.unwrap_or_default())
    }

    /// Ask a question and return the answer, without blanks around it; `None` if whoever was asked
    /// has gone.
    pub fn answer(&self, question: &str) -> Result<Option<String>, NobodyThere> {
        if !self.can_ask() {
            return Err(NobodyThere);
        }
        let _ = write!(io::stderr(), "{question} ");
        let _ = io::stderr().flush();
        let (since, mut answer) = (Instant::now(), String::new());
        let count = io::stdin().lock().read_line(&mut answer).map_err(|_| NobodyThere)?;
        self.spent(On::Waiting, since);
        if count == 0 {
            // Nobody has typed a line feed.
            self.say("");
            return Ok(None);
        }
        Ok(Some(answer.trim().to_owned()))
    }

    /// Ask for something that is not to be seen while it is typed. The end of input is an empty
    /// answer.
    pub fn ask_hidden(&self, question: &str) -> Result<String, NobodyThere> {
        if !self.can_ask() {
            return Err(NobodyThere);
        }
        let _silence = silence::Silence::of(io::stdin()).map_err(|_| NobodyThere)?;
        let answer = self.ask(question);
        // The line feed that was typed was not shown either.
        self.say("");
        answer
    }

    /// Ask whether to go on. Only a clear yes is one.
    pub fn confirm(&self, question: &str) -> Result<Answer, NobodyThere> {
        let answer = self.ask(&format!("{question} [y/N]"))?;
        Ok(match answer.to_lowercase().as_str() {
            "y" | "yes" => Answer::Yes,
            _ => Answer::No,
        })
    }
}

/// What somebody answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Go on.
    Yes,
    /// Do not.
    No,
}

impl Stream {
    fn paint(self, tone: Tone, text: &str) -> String {
        if self.is_colored { paint(tone, text) } else { text.to_owned() }
    }
}

/// Several lines, each of them [`printable`].
#[must_use]
pub fn printable_lines(text: &str) -> String {
    text.lines().map(printable).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_stay_lines() {
        assert_eq!(printable_lines("a\r\nb\u{7}"), "a\nb\\u{7}");
    }
}
