//! The menu, shown when the program is run without arguments on a terminal.
//!
//! The menu itself changes nothing. Each path through it ends in a command, which is shown and then
//! runs as if it had been typed, with its own prompts. Enter leads back and out. An entry is shown
//! only if its command exists.

mod entry;
mod gpus;
mod license;
mod removal;
#[cfg(test)]
mod tests;

use self::entry::{Entry, Screen};
use vgpu_manifest::inventory::Gpu;

use crate::ui::Ui;

/// Returns the words of the selected command; `None` if none was selected.
///
/// `gpus` are the NVIDIA GPUs of this host.
pub(crate) fn choose(tree: &clap::Command, gpus: &[Gpu], ui: &Ui) -> Option<Vec<String>> {
    let entries: Vec<&Entry> = Entry::of(tree).collect();
    ui.say("Nothing changes before you have seen and confirmed the plan.");
    loop {
        ui.say("");
        for Entry { key, name, about, .. } in &entries {
            ui.say(format_args!("  {key}  {name:<17} {about}"));
        }
        ui.say("  q  Quit");
        ui.say("");
        let answer = ui.answer("Select an action [q]").ok().flatten()?;
        let entry = match answer.as_str() {
            "" | "q" | "Q" => return None,
            key => entries.iter().find(|entry| entry.key == key),
        };
        let Some(entry) = entry else {
            ui.say("Invalid choice.");
            continue;
        };
        match entry.screen.show(entry.command, tree, gpus, ui)? {
            Went::On(words) => return Some(words),
            Went::Back => {}
        }
    }
}

/// The result of a screen.
#[derive(Debug, PartialEq, Eq)]
enum Went {
    /// This command was selected.
    On(Vec<String>),
    /// Back to the menu.
    Back,
}

impl Went {
    fn on<'w>(words: impl IntoIterator<Item = &'w str>) -> Self {
        Self::On(words.into_iter().map(str::to_owned).collect())
    }
}

impl Screen {
    /// Asks the questions of the entry; `None` at the end of input.
    fn show(self, command: &str, tree: &clap::Command, gpus: &[Gpu], ui: &Ui) -> Option<Went> {
        match self {
            Self::Bundle => {
                ui.say("The plan is shown first, and nothing changes before you confirm it.");
                let answer = ui.answer("Path of the bundle (Enter: back):").ok().flatten()?;
                if answer.is_empty() {
                    return Some(Went::Back);
                }
                let flags = gpus::show(gpus, ui)?;
                let mut words: Vec<_> =
                    about(command, &answer).into_iter().map(str::to_owned).collect();
                // Before the path, which may follow a `--`.
                let at = command.split(' ').count();
                words.splice(at..at, flags);
                Some(Went::On(words))
            }
            Self::BundleIfAny => {
                let question = "Path of a bundle (Enter: the applied one):";
                let answer = ui.answer(question).ok().flatten()?;
                Some(Went::on(about(command, &answer)))
            }
            Self::Removal => removal::show(command, tree, ui),
            Self::License => license::show(tree, ui),
            Self::Nothing => Some(Went::on(command.split(' '))),
        }
    }
}

/// Returns the command for this path. A path that begins with a dash is not taken for a flag.
fn about<'w>(command: &'w str, path: &'w str) -> Vec<&'w str> {
    let mut words: Vec<&str> = command.split(' ').collect();
    words.extend(path.starts_with('-').then_some("--"));
    words.extend((!path.is_empty()).then_some(path));
    words
}
