//! How the program talks: what was asked for goes to stdout, all else to stderr.

mod date;
mod progress;
mod silence;
mod size;

use std::fmt::Display;
use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

pub use self::date::Date;
pub use self::progress::Progress;
pub use self::size::ByteSize;
pub use vgpu_manifest::printable;

use crate::host::real::{Diary, On};

/// Whether colours may be used where a terminal shows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// Where there is a terminal.
    Auto,
    /// Nowhere: `--no-color` or `NO_COLOR`.
    Never,
}

/// What a word is to look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// It went well.
    Good,
    /// It went wrong.
    Bad,
    /// It deserves a look.
    Warn,
    /// It is said by the way.
    Dim,
}

/// The one who talks.
#[derive(Debug)]
pub struct Ui {
    out: Stream,
    err: Stream,
    asks: Asks,
    diary: OnceLock<Arc<Diary>>,
}

/// What one of the two streams is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stream {
    Colourful,
    PlainTerminal,
    Lines,
}

/// Whether there is somebody to answer a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asks {
    Somebody,
    Nobody,
}

/// There is no terminal on which a question could be asked.
#[derive(Debug, thiserror::Error)]
#[error("there is no terminal to ask on")]
pub struct NobodyThere;

impl Ui {
    /// Talk on the streams of this process.
    #[must_use]
    pub fn new(colour: Colour) -> Self {
        let stream = |is_terminal| match (is_terminal, colour) {
            (false, _) => Stream::Lines,
            (true, Colour::Never) => Stream::PlainTerminal,
            (true, Colour::Auto) => Stream::Colourful,
        };
        let (out, err) = (stream(io::stdout().is_terminal()), stream(io::stderr().is_terminal()));
        let asks = io::stdin().is_terminal() && err != Stream::Lines;
        let asks = if asks { Asks::Somebody } else { Asks::Nobody };
        Self { out, err, asks, diary: OnceLock::new() }
    }

    /// Write down what is said, too.
    pub fn also_to(&self, diary: Arc<Diary>) {
        let _ = self.diary.set(diary);
    }

    /// Write down how the program ends.
    pub fn ends(&self, status: u8) {
        if let Some(diary) = self.diary.get() {
            diary.close(status);
        }
    }

    /// Since then the program has not worked, but this.
    pub fn spent(&self, on: On, since: Instant) {
        if let Some(diary) = self.diary.get() {
            diary.spend(on, since.elapsed());
        }
    }

    /// Say a line on stderr.
    pub fn say(&self, line: impl Display) {
        let line = line.to_string();
        self.write_down(&line);
        // Nobody is left to complain to when stderr is closed.
        let _ = writeln!(io::stderr(), "{line}");
    }

    fn write_down(&self, text: &str) {
        if let Some(diary) = self.diary.get() {
            diary.said(&unpainted(text));
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
        paint(self.out, tone, text)
    }

    /// `text` as it is to look on stderr.
    #[must_use]
    pub fn paint_talk(&self, tone: Tone, text: &str) -> String {
        paint(self.err, tone, text)
    }

    /// Show how far work on `total` bytes is, on a terminal.
    #[must_use]
    pub fn progress(&self, verb: &'static str, total: u64) -> Progress {
        Progress::new(verb, total, self.err != Stream::Lines)
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

fn paint(stream: Stream, tone: Tone, text: &str) -> String {
    if stream != Stream::Colourful {
        return text.to_owned();
    }
    let code = match tone {
        Tone::Good => "32",
        Tone::Bad => "1;31",
        Tone::Warn => "33",
        Tone::Dim => "2",
    };
    format!("\u{1b}[{code}m{text}\u{1b}[0m")
}

/// The text without the colours that [`paint`] gives.
fn unpainted(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |plain, part| plain + part.split_once('m').map_or(part, |(_, rest)| rest))
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

    #[test]
    fn colours_are_for_terminals_that_may_have_them() {
        assert_eq!(paint(Stream::Lines, Tone::Bad, "x"), "x");
        assert_eq!(paint(Stream::PlainTerminal, Tone::Bad, "x"), "x");
        assert_eq!(paint(Stream::Colourful, Tone::Good, "x"), "\u{1b}[32mx\u{1b}[0m");
    }
}
