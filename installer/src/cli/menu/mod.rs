//! The menu, shown when the program is run without arguments on a terminal.
//!
//! The menu itself changes nothing. Each path through it ends in a command, which is shown and then
//! runs as if it had been typed, in a process of its own, with its own prompts. Then the menu is back.
//! Enter leads back and out. An entry is shown only if its command exists.

mod entry;
mod gpus;
mod header;
mod key;
mod license;
mod media;
mod removal;
#[cfg(test)]
mod tests;

use vgpu_manifest::inventory::Gpu;
use vgpu_manifest::shell_word;

use self::entry::{Entry, Screen};
use self::media::Media;
use super::{Exit, Global, Target, command, conclude};
use crate::host::real::Program;
use crate::ui::{Ui, printable};

/// Shows the menu until it is left.
pub(super) fn run(global: &Global, ui: &Ui) -> Exit {
    let tree = command();
    loop {
        let target = match Target::open(global) {
            Ok(target) => target,
            Err(error) => return conclude(ui, Err(error)),
        };
        let media = Media::of(&target);
        let gpus = header::show(target, ui);
        let Some(words) = (Menu { tree: &tree, gpus: &gpus, media: &media, ui }).choose() else {
            return Exit::Done;
        };
        let words = [global.words(), words].concat();
        let shown: Vec<String> = words.iter().map(|word| shell_word(word)).collect();
        ui.say("");
        ui.say(printable(&format!("{} {}", tree.get_name(), shown.join(" "))));
        match Program::run_again(&words) {
            Ok(status) if status.success() => {}
            Ok(status) => ui.say(format_args!("the command ended with {status}")),
            Err(error) => return conclude(ui, Err(error.into())),
        }
        ui.say("");
    }
}

/// One round of the menu.
struct Menu<'m> {
    tree: &'m clap::Command,
    /// The NVIDIA GPUs of this host.
    gpus: &'m [Gpu],
    media: &'m Media,
    ui: &'m Ui,
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

impl Menu<'_> {
    /// Returns the words of the selected command; `None` if none was selected.
    fn choose(&self) -> Option<Vec<String>> {
        let Self { tree, ui, .. } = *self;
        let entries: Vec<&Entry> = Entry::of(tree).collect();
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
            match self.show(entry)? {
                Went::On(words) => return Some(words),
                Went::Back => {}
            }
        }
    }

    /// Asks the questions of the entry; `None` at the end of input.
    fn show(&self, entry: &Entry) -> Option<Went> {
        let Self { tree, gpus, media, ui } = *self;
        let command = entry.command;
        match entry.screen {
            Screen::Bundle => {
                ui.say("The plan is shown first, and nothing changes before you confirm it.");
                let answer = media::ask("the bundle", &media.bundles, "back", ui)?;
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
            Screen::BundleIfAny => {
                let answer = media::ask("a bundle", &media.bundles, "the applied one", ui)?;
                Some(Went::on(about(command, &answer)))
            }
            Screen::Removal => removal::show(command, tree, ui),
            Screen::License => license::show(tree, ui),
            Screen::Key => key::show(command, &media.keys, ui),
            Screen::Nothing => Some(Went::on(command.split(' '))),
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
