use super::Went;
use crate::ui::Ui;

/// A licensing task.
#[derive(Debug)]
pub(super) struct Choice {
    /// The command, as the words of its subcommands.
    pub(super) command: &'static str,
    /// The description in the menu.
    says: &'static str,
    /// The questions to ask. An empty answer returns to the menu, unless the answer is optional.
    asks: &'static [Ask],
}

/// A question, and the position of its answer in the command.
#[derive(Debug)]
struct Ask {
    question: &'static str,
    place: Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// After this flag.
    Flag(&'static str),
    /// After this flag, if there is an answer.
    FlagIfAny(&'static str),
    /// At the end.
    End,
}

const fn ask(question: &'static str, place: Place) -> Ask {
    Ask { question, place }
}

/// All tasks. NVIDIA's own server comes first.
const CHOICES: [Choice; 9] = [
    Choice {
        command: "license use",
        says: "use NVIDIA License System, with its client token",
        asks: &[ask("Token file (Enter: back):", Place::Flag("--token"))],
    },
    Choice {
        command: "license use",
        says: "use the license server of another node",
        asks: &[
            ask(
                "Its root certificate, license-root.crt (Enter: back):",
                Place::Flag("--root-cert"),
            ),
            ask("Its URL, such as https://dls.example:8443 (Enter: back):", Place::End),
        ],
    },
    Choice {
        command: "license install",
        says: "run the license server from a bundle",
        asks: &[
            ask("Address that guests use to reach it (Enter: back):", Place::Flag("--address")),
            ask(
                "For a Proxmox VE container: its address and prefix, such as 192.0.2.30/24 (Enter: no container):",
                Place::FlagIfAny("--cidr"),
            ),
            ask("Path of the bundle (Enter: back):", Place::End),
        ],
    },
    Choice { command: "license status", says: "show the status of the license server", asks: &[] },
    Choice {
        command: "license guests",
        says: "write the files for guests: scripts, certificate, instructions",
        asks: &[ask("Output folder (Enter: back):", Place::End)],
    },
    Choice {
        command: "license token",
        says: "get a token for a guest that cannot reach the server",
        asks: &[ask("Output file (Enter: back):", Place::Flag("--output"))],
    },
    Choice {
        command: "license backup",
        says: "back up the license server",
        asks: &[ask("Output file (Enter: back):", Place::End)],
    },
    Choice {
        command: "license restore",
        says: "restore a backup",
        asks: &[ask("Backup file (Enter: back):", Place::End)],
    },
    Choice {
        command: "license remove",
        says: "remove the license server and keep its data",
        asks: &[],
    },
];

impl Choice {
    /// Returns the entries whose commands exist in this command line interface.
    pub(super) fn of(tree: &clap::Command) -> Vec<&'static Self> {
        let has = |choice: &&Self| {
            let mut words = choice.command.split(' ');
            words.try_fold(tree, |command, word| command.find_subcommand(word)).is_some()
        };
        CHOICES.iter().filter(has).collect()
    }

    /// Returns the command with these answers, one for each question. An answer that begins with a
    /// dash is not taken for a flag.
    pub(super) fn words(&self, answers: &[String]) -> Vec<String> {
        let mut words: Vec<String> = self.command.split(' ').map(str::to_owned).collect();
        for (ask, answer) in self.asks.iter().zip(answers) {
            match ask.place {
                Place::FlagIfAny(_) if answer.is_empty() => {}
                Place::Flag(flag) | Place::FlagIfAny(flag) => {
                    words.push(format!("{flag}={answer}"));
                }
                Place::End => {
                    words.extend(answer.starts_with('-').then(|| "--".to_owned()));
                    words.push(answer.clone());
                }
            }
        }
        words
    }

    fn show(&self, ui: &Ui) -> Option<Went> {
        let mut answers = Vec::new();
        for Ask { question, place } in self.asks {
            let answer = ui.answer(question).ok().flatten()?;
            if answer.is_empty() && !matches!(place, Place::FlagIfAny(_)) {
                return Some(Went::Back);
            }
            answers.push(answer);
        }
        Some(Went::On(self.words(&answers)))
    }
}

/// Asks for the licensing task.
pub(super) fn show(tree: &clap::Command, ui: &Ui) -> Option<Went> {
    let choices = Choice::of(tree);
    ui.say("Guest licensing");
    for (number, choice) in (1..).zip(&choices) {
        ui.say(format_args!("  {number}  {}", choice.says));
    }
    loop {
        let answer = ui.answer("Number (Enter: back):").ok().flatten()?;
        if answer.is_empty() {
            return Some(Went::Back);
        }
        let number = answer.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
        match number.and_then(|number| choices.get(number)) {
            Some(choice) => return choice.show(ui),
            None => ui.say("Invalid choice."),
        }
    }
}
