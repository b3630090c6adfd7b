use clap::builder::PossibleValuesParser;
use clap::{Arg, Command};

use super::entry::Entry;
use super::{about, removal};

fn keys(tree: &Command) -> String {
    Entry::of(tree).map(|entry| entry.key).collect()
}

#[test]
fn an_entry_is_there_if_its_command_is() {
    let tree = Command::new("x").subcommand(Command::new("status"));
    assert_eq!(keys(&tree), "7");
    let tree = tree.subcommand(Command::new("apply")).subcommand(Command::new("license"));
    assert_eq!(keys(&tree), "127");
    let license = Command::new("license").subcommand(Command::new("status"));
    assert_eq!(keys(&Command::new("x").subcommand(license)), "6");
}

#[test]
fn the_program_itself_has_most_of_them() {
    let keys = keys(&crate::cli::command());
    assert!(keys.contains("1234") && keys.ends_with('7'), "{keys}");
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
