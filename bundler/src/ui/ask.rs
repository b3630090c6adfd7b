//! Asking somebody at a terminal.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _};

use vgpu_manifest::printable;

use super::{Looks, Ui};

/// Somebody who sees questions and can answer them.
#[derive(Debug)]
pub(crate) struct Somebody<'u> {
    ui: &'u Ui,
}

/// The one who was asked has gone.
#[derive(Debug, thiserror::Error)]
#[error("the answers ended before the questions did; nothing was written")]
pub(crate) struct Ended;

/// What somebody answers who is asked whether.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Yes,
    No,
}

/// Far more than anybody types, in bytes.
const MAX_ANSWER: u64 = 16 << 10;

impl Ui {
    /// Somebody to ask, if questions are seen on a terminal and answers are typed on one.
    pub(crate) fn somebody(&self) -> Option<Somebody<'_>> {
        let is_there = io::stdin().is_terminal() && self.looks == Looks::Terminal;
        is_there.then_some(Somebody { ui: self })
    }
}

impl Somebody<'_> {
    /// Say a line between the questions.
    pub(crate) fn tell(&self, line: impl std::fmt::Display) {
        self.ui.say(line);
    }

    /// Ask until the answer is one; an empty answer is `usual`.
    pub(crate) fn ask<T>(
        &self,
        question: &str,
        usual: &str,
        mut read: impl FnMut(&str) -> Result<T, String>,
    ) -> Result<T, Ended> {
        loop {
            let answer = self.line(&format!("{question} [{usual}]: "))?;
            let answer = answer.trim();
            match read(if answer.is_empty() { usual } else { answer }) {
                Ok(value) => return Ok(value),
                Err(why) => self.tell(format_args!("  {why}")),
            }
        }
    }

    /// Ask whether; an empty answer is `usual`.
    pub(crate) fn whether(&self, question: &str, usual: Answer) -> Result<Answer, Ended> {
        let (choices, usual) = match usual {
            Answer::Yes => ("Y/n", "yes"),
            Answer::No => ("y/N", "no"),
        };
        loop {
            let answer = self.line(&format!("{question} [{choices}]: "))?.trim().to_lowercase();
            match if answer.is_empty() { usual } else { &answer } {
                "y" | "yes" => return Ok(Answer::Yes),
                "n" | "no" => return Ok(Answer::No),
                _ => self.tell("  please answer yes or no"),
            }
        }
    }

    /// A line that somebody types. Ctrl-D ends the conversation, also in the middle of a line.
    fn line(&self, prompt: &str) -> Result<String, Ended> {
        let _ = write!(io::stderr(), "{}", printable(prompt));
        let mut line = Vec::new();
        let read = io::stdin().lock().take(MAX_ANSWER).read_until(b'\n', &mut line);
        if read.is_err() || line.last() != Some(&b'\n') {
            self.tell("");
            return Err(Ended);
        }
        // What cannot be read is no answer to anything, and the question is asked again.
        Ok(String::from_utf8_lossy(&line).into_owned())
    }
}
