use camino::Utf8Path;
use vgpu_keys::Principal;

use super::{Went, about, media};
use crate::ui::Ui;

/// Asks for a key to trust, its principal and its fingerprint.
pub(super) fn show(command: &str, found: &[String], ui: &Ui) -> Option<Went> {
    ui.say("Get the fingerprint out of band: on paper, or by telephone.");
    let key = media::ask("the public key", found, "back", ui)?;
    if key.is_empty() {
        return Some(Went::Back);
    }
    let principal = principal(&key, ui)?;
    let question = "Its fingerprint, SHA256:… (Enter: show it, and compare):";
    let fingerprint = ui.answer(question).ok().flatten()?;
    let channel = ui.answer("Channel to accept (Enter: `stable` with the first key):");
    Some(Went::On(words(command, &key, &principal, &fingerprint, &channel.ok().flatten()?)))
}

/// Asks for the principal; the file on a medium is named by it.
fn principal(key: &str, ui: &Ui) -> Option<Principal> {
    let stem = Utf8Path::new(key).file_stem().unwrap_or_default();
    let named = stem.parse::<Principal>().ok();
    let question = named.as_ref().map_or_else(
        || "Its principal:".to_owned(),
        |named| format!("Its principal (Enter: {named}):"),
    );
    loop {
        let answer = ui.answer(&question).ok().flatten()?;
        match (answer.as_str(), &named) {
            ("", Some(named)) => return Some(named.clone()),
            (answer, _) => match answer.parse() {
                Ok(principal) => return Some(principal),
                Err(error) => ui.say(error),
            },
        }
    }
}

fn words(
    command: &str,
    key: &str,
    principal: &Principal,
    fingerprint: &str,
    channel: &str,
) -> Vec<String> {
    let mut words: Vec<String> = about(command, key).into_iter().map(str::to_owned).collect();
    let mut flags = vec![format!("--principal={principal}")];
    for (flag, answer) in [("--fingerprint", fingerprint), ("--channel", channel)] {
        flags.extend((!answer.is_empty()).then(|| format!("{flag}={answer}")));
    }
    // Before the path, which may follow a `--`.
    let at = command.split(' ').count();
    words.splice(at..at, flags);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answers_are_a_command_of_the_program() {
        let alice: Principal = "alice".parse().unwrap();
        let fingerprint = format!("SHA256:{}", "A".repeat(43));
        for key in ["/media/stick/alice.pub", "-odd.pub"] {
            for (fingerprint, channel) in [("", ""), (fingerprint.as_str(), "testing")] {
                let words = words("trust add", key, &alice, fingerprint, channel);
                let all = ["vgpu-installer".to_owned()].into_iter().chain(words);
                crate::cli::command().try_get_matches_from(all).unwrap();
            }
        }
    }
}
