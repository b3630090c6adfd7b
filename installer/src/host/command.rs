use std::fmt;

use serde::{Deserialize, Serialize};

use super::SecretInput;

/// A program and its arguments. There is no shell in between, so nothing needs quoting.
///
/// Commands are journaled and shown, so a secret must not be in the arguments or the input. A command
/// names how it reads the secret, which the host keeps ([`Secret`](super::Secret)).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Command {
    argv: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    input: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    secret: Option<SecretInput>,
}

impl Command {
    /// Returns a command that runs `program` from `PATH` with `args` and no input.
    #[must_use]
    pub fn new(program: &str, args: &[&str]) -> Self {
        let words = [&[program], args].concat();
        Self { argv: words.into_iter().map(str::to_owned).collect(), input: None, secret: None }
    }

    /// Returns a command with this standard input.
    #[must_use]
    pub fn with_input(self, input: String) -> Self {
        Self { input: Some(input), ..self }
    }

    /// Returns the program and its arguments.
    #[must_use]
    pub fn words(&self) -> Vec<&str> {
        self.argv.iter().map(String::as_str).collect()
    }

    /// Makes the command read the host's secret.
    #[must_use]
    pub fn with_secret(self, how: SecretInput) -> Self {
        Self { secret: Some(how), ..self }
    }

    /// Returns how the command reads the secret, if it does.
    #[must_use]
    pub fn secret(&self) -> Option<SecretInput> {
        self.secret
    }

    /// Returns the standard input.
    #[must_use]
    pub fn input(&self) -> Option<&str> {
        self.input.as_deref()
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./=:,@+%".contains(&b);
        for (i, word) in self.argv.iter().enumerate() {
            f.write_str(if i == 0 { "" } else { " " })?;
            if !word.is_empty() && word.bytes().all(plain) {
                f.write_str(word)?;
            } else {
                write!(f, "{word:?}")?;
            }
        }
        Ok(())
    }
}

/// The output and exit status of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The exit status.
    pub exit: Exit,
    /// All of stdout.
    pub stdout: Vec<u8>,
    /// The end of stderr.
    pub stderr: Vec<u8>,
}

impl Output {
    /// Checks whether the exit status is zero.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.exit == Exit::Status(0)
    }
}

/// The way a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// An exit status.
    Status(i32),
    /// The signal that terminated the command.
    Signal(i32),
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "exit status {status}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_words_that_are_not_plain_in_quotes() {
        let command =
            Command::new("update-initramfs", &["-u", "-k", "all", "", "a b", "\u{1b}[2J"]);
        assert_eq!(command.to_string(), r#"update-initramfs -u -k all "" "a b" "\u{1b}[2J""#);
    }
}
