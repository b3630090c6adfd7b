use super::Went;
use crate::ui::Ui;

/// Asks for the components to remove. The choices are those of the command.
pub(super) fn show(command: &str, tree: &clap::Command, ui: &Ui) -> Option<Went> {
    let choices = choices(command, tree);
    ui.say("Select the components to remove. Nothing changes before you confirm the plan.");
    for (number, (_, says)) in (1..).zip(&choices) {
        ui.say(format_args!("  {number}  {says}"));
    }
    loop {
        let answer = ui.answer("Number (Enter: back):").ok().flatten()?;
        if answer.is_empty() {
            return Some(Went::Back);
        }
        let number = answer.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
        match number.and_then(|number| choices.get(number)) {
            Some((words, _)) => return Some(Went::On(words.clone())),
            None => ui.say("Invalid choice."),
        }
    }
}

/// Returns each choice as a command and as a description.
pub(super) fn choices(command: &str, tree: &clap::Command) -> Vec<(Vec<String>, String)> {
    let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
    let mut choices = vec![(words(&[command]), "everything ever applied".to_owned())];
    let flag = tree
        .find_subcommand(command)
        .and_then(|command| command.get_arguments().find(|arg| arg.get_id() == "component"));
    let parts = flag.map(clap::Arg::get_possible_values).unwrap_or_default();
    for part in parts.iter().filter(|part| !part.is_hide_set()) {
        let name = part.get_name();
        let help = part.get_help().map(ToString::to_string).unwrap_or_default();
        let says = format!("{name}: {}", help.trim_end_matches('.'));
        choices.push((words(&[command, "--component", name]), says));
    }
    if tree.find_subcommand("revert").is_some() {
        choices.push((words(&["revert"]), "only the changes of the last bundle".to_owned()));
    }
    choices
}
