//! Prompts on a terminal.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _};

use anyhow::bail;
use vgpu_manifest::printable;

use super::{Stderr, Ui};

/// A terminal that shows questions and takes answers.
#[derive(Debug)]
pub(crate) struct Prompt<'u> {
    ui: &'u Ui,
}

/// The answer to a yes-or-no question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Yes,
    No,
}

/// The longest answer, in bytes.
const MAX_ANSWER: u64 = 16 << 10;

impl Ui {
    /// Returns a prompt if both stdin and stderr are terminals.
    pub(crate) fn prompt(&self) -> Option<Prompt<'_>> {
        let is_there = io::stdin().is_terminal() && self.stderr == Stderr::Terminal;
        is_there.then_some(Prompt { ui: self })
    }
}

impl Prompt<'_> {
    /// Prints a line between the questions.
    pub(crate) fn print(&self, line: impl std::fmt::Display) {
        self.ui.say(line);
    }

    /// Asks until `read` accepts the answer. An empty answer stands for `usual`.
    pub(crate) fn ask<T>(
        &self,
        question: &str,
        usual: &str,
        mut read: impl FnMut(&str) -> Result<T, String>,
    ) -> anyhow::Result<T> {
        loop {
            let answer = self.line(&format!("{question} [{usual}]: "))?;
            let answer = answer.trim();
            match read(if answer.is_empty() { usual } else { answer }) {
                Ok(value) => return Ok(value),
                Err(why) => self.print(format_args!("  {why}")),
            }
        }
    }

    /// Asks a yes-or-no question. An empty answer stands for `usual`.
    pub(crate) fn whether(&self, question: &str, usual: Answer) -> anyhow::Result<Answer> {
        let (choices, usual) = match usual {
            Answer::Yes => ("Y/n", "yes"),
            Answer::No => ("y/N", "no"),
        };
        loop {
            let answer = self.line(&format!("{question} [{choices}]: "))?.trim().to_lowercase();
            match if answer.is_empty() { usual } else { &answer } {
                "y" | "yes" => return Ok(Answer::Yes),
                "n" | "no" => return Ok(Answer::No),
                _ => self.print("  please answer yes or no"),
            }
        }
    }

    /// Reads a line. Ctrl-D ends the conversation, also in the middle of a line.
    fn line(&self, prompt: &str) -> anyhow::Result<String> {
        let _ = write!(io::stderr(), "{}", printable(prompt));
        let mut line = Vec::new();
        let read = io::stdin().lock().take(MAX_ANSWER).read_until(b'\n', &mut line);
        if read.is_err() || line.last() != Some(&b'\n') {
            self.print("");
            bail!("the input ended before the last question; nothing was written");
        }
        // Invalid UTF-8 matches no answer, so the question is repeated.
        Ok(String::from_utf8_lossy(&line).into_owned())
    }
}
