use clap::builder::PossibleValuesParser;
use clap::{Arg, Command};

use super::entry::Entry;
use super::license::Choice;
use super::{about, removal};

fn keys(tree: &Command) -> String {
    Entry::of(tree).map(|entry| entry.key).collect()
}

#[test]
fn an_entry_is_there_if_its_command_is() {
    let tree = Command::new("x").subcommand(Command::new("status"));
    assert_eq!(keys(&tree), "7");
    let tree = tree.subcommand(Command::new("apply"));
    assert_eq!(keys(&tree), "127");
    let license = Command::new("license").subcommand(Command::new("status"));
    let tree = Command::new("x").subcommand(license);
    assert_eq!(keys(&tree), "6");
    let commands: Vec<_> = Choice::of(&tree).iter().map(|choice| choice.command).collect();
    assert_eq!(commands, ["license status"]);
}

#[test]
fn the_program_itself_has_most_of_them() {
    let keys = keys(&crate::cli::command());
    assert_eq!(keys, "123456789");
}

#[test]
fn each_path_through_the_license_screen_is_a_command_of_the_program() {
    let answers = ["192.0.2.30", "192.0.2.30/24", "x.tar"].map(str::to_owned);
    let mut seen = 0;
    for choice in Choice::of(&crate::cli::command()) {
        for cidr in ["", "192.0.2.30/24"] {
            let mut answers = answers.clone();
            cidr.clone_into(&mut answers[1]);
            if choice.command == "license use" {
                answers[1] = "https://dls.example:8443".to_owned();
            }
            let words = choice.words(&answers);
            let all = ["vgpu-installer".to_owned()].into_iter().chain(words.iter().cloned());
            crate::cli::command().try_get_matches_from(all).unwrap();
            seen += 1;
        }
    }
    assert_eq!(seen, 18);
}

#[test]
fn what_can_go_is_what_the_command_takes() {
    let component = Arg::new("component").long("component");
    let component = component.value_parser(PossibleValuesParser::new(["driver", "unlock"]));
    let remove = Command::new("remove").arg(component);
    let tree = Command::new("x").subcommand(remove);
    let words = |tree: &Command| -> Vec<String> {
        removal::choices("remove", tree).iter().map(|(words, _)| words.join(" ")).collect()
    };
    let expected = ["remove", "remove --component driver", "remove --component unlock"];
    assert_eq!(words(&tree), expected);
    let real = words(&crate::cli::command());
    assert!(real.contains(&"remove --component driver".to_owned()), "{real:?}");
    assert_eq!(real.last().unwrap(), "revert");
}

#[test]
fn a_path_is_never_taken_for_a_flag() {
    assert_eq!(about("apply", "-x.tar"), ["apply", "--", "-x.tar"]);
    assert_eq!(about("apply", "a b"), ["apply", "a b"]);
    assert_eq!(about("check", ""), ["check"]);
}
