//! One layout for the help and manual pages of both programs.

use std::io::{self, Write as _};

use clap::Command;
use clap::builder::Styles;

use super::{Exit, Report};

/// The parts of a program's help and manual pages that its argument definitions do not have.
#[derive(Debug, Clone, Copy)]
pub struct Manual {
    /// The commands by topic, in the order of the help page.
    pub groups: &'static [(&'static str, &'static [&'static str])],
    /// Example command lines, each with the path of its command, such as `"trust add"`.
    pub examples: &'static [(&'static str, &'static str)],
    /// The environment variables that the program reads.
    pub environment: &'static [(&'static str, &'static str)],
    /// The files that the program reads and writes.
    pub files: &'static [(&'static str, &'static str)],
    /// The exit statuses.
    pub exit_status: &'static [(&'static str, &'static str)],
}

/// The most examples on the page of a command that only groups others.
const MAX_INHERITED: usize = 4;

impl Manual {
    /// Adds examples to every help page, and topics, environment and exit statuses to the first.
    #[must_use]
    pub fn complete(&self, command: Command) -> Command {
        let name = command.get_name().to_owned();
        let lists =
            [("Environment", self.environment), ("Exit status", self.exit_status)].map(list);
        let after = format!("{}\n\n{}", self.examples_text(&name, ""), lists.join("\n\n"));
        let template = format!(
            "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{}\n\n{}\n{{options}}{{after-help}}",
            self.topics(&command),
            heading("Global options"),
        );
        command
            .max_term_width(80)
            .help_template(template)
            .after_help(after)
            .mut_subcommands(|sub| self.with_examples(sub, &name, ""))
    }

    /// Returns the example command lines for the command at `path`, or for those below it.
    #[must_use]
    pub fn examples_of(&self, path: &str) -> Vec<&'static str> {
        let own = self.examples.iter().filter(|(at, _)| *at == path).map(|(_, line)| *line);
        let own: Vec<_> = own.collect();
        if !own.is_empty() {
            return own;
        }
        let below = |at: &str| at.strip_prefix(path).is_some_and(|rest| rest.starts_with(' '));
        let inherited = self.examples.iter().filter(|(at, _)| below(at)).map(|(_, line)| *line);
        inherited.take(MAX_INHERITED).collect()
    }

    fn with_examples(&self, command: Command, program: &str, parent: &str) -> Command {
        let path = format!("{parent} {}", command.get_name()).trim_start().to_owned();
        let text = self.examples_text(program, &path);
        command.after_help(text).mut_subcommands(|sub| self.with_examples(sub, program, &path))
    }

    fn examples_text(&self, program: &str, path: &str) -> String {
        let lines = self.examples_of(path).into_iter().map(|line| format!("  {program} {line}"));
        let lines: Vec<_> = std::iter::once(heading("Examples")).chain(lines).collect();
        lines.join("\n")
    }

    /// clap lists all commands under one heading, so the topics are laid out here.
    fn topics(&self, command: &Command) -> String {
        let about = |name: &str| {
            let found = command.find_subcommand(name).and_then(Command::get_about);
            found.map(ToString::to_string).unwrap_or_default()
        };
        let topic = |(title, names): &(&str, &[&str])| {
            let rows: Vec<_> = names.iter().map(|name| (*name, about(name))).collect();
            let rows = rows.iter().map(|(name, about)| row(name, about));
            std::iter::once(heading(title)).chain(rows).collect::<Vec<_>>().join("\n")
        };
        self.groups.iter().map(topic).collect::<Vec<_>>().join("\n\n")
    }
}

/// Prints a usage error, or the requested help or version, and returns the exit status.
///
/// If the arguments have the word `--json`, a usage error also becomes a document on stdout.
#[must_use]
pub fn explain(error: &clap::Error) -> Exit {
    // If the stream is closed, the error cannot be reported anywhere.
    let _ = error.print();
    if !error.use_stderr() {
        return Exit::Done;
    }
    // The arguments were not understood, so only the word itself can tell.
    if std::env::args_os().any(|word| word == "--json") {
        let message = error.to_string();
        let message = message.trim_start_matches("error: ").trim_end().to_owned();
        let report = Report { message, details: vec![], hints: vec![], exit: Exit::Usage };
        if let Ok(document) = serde_json::to_string_pretty(&report.document()) {
            let _ = writeln!(io::stdout(), "{document}");
        }
    }
    Exit::Usage
}

fn heading(text: &str) -> String {
    let style = Styles::styled();
    let style = style.get_header();
    format!("{style}{text}:{style:#}")
}

fn list((title, rows): (&str, &[(&str, &str)])) -> String {
    let rows = rows.iter().map(|(name, text)| row(name, text));
    std::iter::once(heading(title)).chain(rows).collect::<Vec<_>>().join("\n")
}

/// A term and its meaning in two columns.
fn row(name: &str, text: &str) -> String {
    let style = Styles::styled();
    let style = style.get_literal();
    format!("  {style}{name:<14}{style:#}  {text}")
}
