//! Output of the program: requested data on stdout, all other messages on stderr.

mod progress;

use std::ffi::OsStr;
use std::fmt::Display;
use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Instant;

use anyhow::Context as _;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use serde::Serialize;
use serde_json::{Map, Value};

pub(crate) use self::progress::Progress;
pub(crate) use vgpu_manifest::printable;
pub(crate) use vgpu_manifest::ui::{ByteSize, Tone};
use vgpu_manifest::ui::{Color, Exit, Report, paint, unpainted};

use crate::host::real::{On, RunLog};

/// The terminal interface.
#[derive(Debug)]
pub(crate) struct Ui {
    out: Stream,
    err: Stream,
    /// Whether a terminal can answer questions.
    can_ask: bool,
    format: Format,
    document: Mutex<Document>,
    log: OnceLock<Arc<RunLog>>,
}

/// The form of requested output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// Text for people.
    Text,
    /// One JSON document on stdout; text for people goes to stderr.
    Json,
}

/// The JSON document of the run.
#[derive(Debug)]
enum Document {
    /// The fields, besides the result, of the document about a change.
    Outcome(Map<String, Value>),
    /// The command has printed its own document.
    Printed,
}

/// The document about a change.
#[derive(Serialize)]
struct Outcome<'o> {
    result: Exit,
    #[serde(flatten)]
    fields: &'o Map<String, Value>,
}

/// Standard output or standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stream {
    is_terminal: bool,
    is_colored: bool,
}

/// There is no terminal for questions.
#[derive(Debug, thiserror::Error)]
#[error("no terminal to ask on")]
pub(crate) struct NoTerminal;

impl Ui {
    /// Uses the streams of this process.
    ///
    /// `no_color` is the value of the environment variable `NO_COLOR`.
    #[must_use]
    pub(crate) fn new(color: Color, no_color: Option<&OsStr>, format: Format) -> Self {
        let stream =
            |is_terminal| Stream { is_terminal, is_colored: color.applies(is_terminal, no_color) };
        let (out, err) = (stream(io::stdout().is_terminal()), stream(io::stderr().is_terminal()));
        let can_ask = io::stdin().is_terminal() && err.is_terminal;
        let document = Mutex::new(Document::Outcome(Map::new()));
        Self { out, err, can_ask, format, document, log: OnceLock::new() }
    }

    /// Returns the form of requested output.
    #[must_use]
    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// Adds the fields of `part`, a struct, to the document about a change. Without `--json`, it has
    /// no effect.
    pub(crate) fn outcome(&self, part: &impl Serialize) -> anyhow::Result<()> {
        let part = serde_json::to_value(part).context("cannot print the result")?;
        if let Ok(mut document) = self.document.lock()
            && let (Document::Outcome(fields), Value::Object(part)) = (&mut *document, part)
        {
            fields.extend(part);
        }
        Ok(())
    }

    /// Prints the document of a command that ends well, or of one that fails. A command that has
    /// printed its own document needs no other.
    pub(crate) fn conclude(&self, result: &Result<Exit, Report>) {
        let Ok(document) = self.document.lock() else { return };
        let (Format::Json, Document::Outcome(fields)) = (self.format, &*document) else { return };
        let document = match result {
            Ok(exit) => serde_json::to_string_pretty(&Outcome { result: *exit, fields }),
            Err(report) => serde_json::to_string_pretty(&report.document()),
        };
        if let Ok(document) = document {
            // If stdout is closed, the error cannot be reported to its reader.
            let _ = writeln!(io::stdout(), "{document}");
        }
    }

    /// Copies all messages to the log.
    pub(crate) fn also_to(&self, log: Arc<RunLog>) {
        let _ = self.log.set(log);
    }

    /// Logs the exit of the program.
    pub(crate) fn ends(&self, status: u8) {
        if let Some(log) = self.log.get() {
            log.close(status);
        }
    }

    /// Logs that the time since `since` was spent on `on` and not on the program's own work.
    pub(crate) fn spent(&self, on: On, since: Instant) {
        if let Some(log) = self.log.get() {
            log.spend(on, since.elapsed());
        }
    }

    /// Prints a line on stderr.
    pub(crate) fn say(&self, line: impl Display) {
        let line = line.to_string();
        self.write_to_log(&line);
        // If stderr is closed, the error cannot be reported anywhere.
        let _ = writeln!(io::stderr(), "{line}");
    }

    /// Prints an error and its hints on stderr.
    pub(crate) fn report(&self, report: &Report) {
        report.lines(self.err.is_colored).iter().for_each(|line| self.say(line));
    }

    fn write_to_log(&self, text: &str) {
        if let Some(log) = self.log.get() {
            log.message(&unpainted(text));
        }
    }

    /// Prints a line of requested output.
    pub(crate) fn print(&self, line: impl Display) -> io::Result<()> {
        match self.format {
            Format::Text => writeln!(io::stdout().lock(), "{line}"),
            Format::Json => {
                self.say(line);
                Ok(())
            }
        }
    }

    /// Prints a document that ends with its own line feed.
    pub(crate) fn print_document(&self, document: &str) -> io::Result<()> {
        if let Ok(mut document) = self.document.lock() {
            *document = Document::Printed;
        }
        io::stdout().lock().write_all(document.as_bytes())
    }

    /// Prints `value` as the JSON document of the command.
    pub(crate) fn print_json(&self, value: &impl Serialize) -> anyhow::Result<()> {
        Ok(self.print_document(&(serde_json::to_string_pretty(value)? + "\n"))?)
    }

    /// Returns `text` as styled for stdout.
    #[must_use]
    pub(crate) fn paint(&self, tone: Tone, text: &str) -> String {
        self.out.paint(tone, text)
    }

    /// Returns `text` as styled for stderr.
    #[must_use]
    pub(crate) fn paint_talk(&self, tone: Tone, text: &str) -> String {
        self.err.paint(tone, text)
    }

    /// Shows the progress of work on `total` bytes, on a terminal.
    #[must_use]
    pub(crate) fn progress(&self, verb: &'static str, total: u64) -> Progress {
        Progress::new(verb, total, self.err.is_terminal)
    }

    /// Checks whether a terminal can answer a question.
    #[must_use]
    pub(crate) fn can_ask(&self) -> bool {
        self.can_ask
    }

    /// Asks a question and returns the trimmed answer. The end of input is an empty answer.
    pub(crate) fn ask(&self, question: &str) -> Result<String, NoTerminal> {
        Ok(self.answer(question)?.unwrap_or_default())
    }

    /// Asks a question and returns the trimmed answer; `None` at the end of input.
    pub(crate) fn answer(&self, question: &str) -> Result<Option<String>, NoTerminal> {
        if !self.can_ask() {
            return Err(NoTerminal);
        }
        let _ = write!(io::stderr(), "{question} ");
        let _ = io::stderr().flush();
        let (since, mut answer) = (Instant::now(), String::new());
        let count = io::stdin().lock().read_line(&mut answer).map_err(|_| NoTerminal)?;
        self.spent(On::Waiting, since);
        if count == 0 {
            // There was no line feed in the input.
            self.say("");
            return Ok(None);
        }
        Ok(Some(answer.trim().to_owned()))
    }

    /// Asks for a secret, without echoing the input. The end of input is an empty answer.
    pub(crate) fn ask_hidden(&self, question: &str) -> Result<String, NoTerminal> {
        if !self.can_ask() {
            return Err(NoTerminal);
        }
        let _silence = Silence::of(io::stdin()).map_err(|_| NoTerminal)?;
        let answer = self.ask(question);
        // The line feed was not echoed either.
        self.say("");
        answer
    }

    /// Asks for a confirmation. Only an explicit yes counts.
    pub(crate) fn confirm(&self, question: &str) -> Result<Answer, NoTerminal> {
        let answer = self.ask(&format!("{question} [y/N]"))?;
        Ok(match answer.to_lowercase().as_str() {
            "y" | "yes" => Answer::Yes,
            _ => Answer::No,
        })
    }
}

/// The answer to a confirmation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Continue.
    Yes,
    /// Stop.
    No,
}

impl Stream {
    fn paint(self, tone: Tone, text: &str) -> String {
        if self.is_colored { paint(tone, text) } else { text.to_owned() }
    }
}

/// A terminal that does not echo input while this value lives.
struct Silence<T: AsFd> {
    terminal: T,
    before: Termios,
}

impl<T: AsFd> Silence<T> {
    fn of(terminal: T) -> io::Result<Self> {
        let before = tcgetattr(&terminal)?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(&terminal, OptionalActions::Flush, &silent)?;
        Ok(Self { terminal, before })
    }
}

impl<T: AsFd> Drop for Silence<T> {
    fn drop(&mut self) {
        // A terminal that was closed cannot be restored.
        let _ = tcsetattr(&self.terminal, OptionalActions::Flush, &self.before);
    }
}

/// Formats several lines, each of them [`printable`].
#[must_use]
pub(crate) fn printable_lines(text: &str) -> String {
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
