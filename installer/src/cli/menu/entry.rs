/// An entry of the menu.
#[derive(Debug)]
pub(super) struct Entry {
    /// The key that selects it. Where possible, the numbers are those of the Bash script.
    pub(super) key: &'static str,
    pub(super) name: &'static str,
    /// The description in the menu.
    pub(super) about: &'static str,
    /// The command, as the words of its subcommands.
    pub(super) command: &'static str,
    /// The questions to ask.
    pub(super) screen: Screen,
}

/// The questions of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Screen {
    /// The bundle, and the use of the GPUs if there are several.
    Bundle,
    /// The bundle, or none.
    BundleIfAny,
    /// The components to remove.
    Removal,
    /// The licensing task.
    License,
    /// The key, its principal and its fingerprint.
    Key,
    /// Nothing.
    Nothing,
}

/// All entries.
const ENTRIES: [Entry; 9] = [
    Entry {
        key: "1",
        name: "New installation",
        about: "apply a bundle to this host",
        command: "apply",
        screen: Screen::Bundle,
    },
    Entry {
        key: "2",
        name: "Upgrade",
        about: "upgrade to a newer bundle",
        command: "apply",
        screen: Screen::Bundle,
    },
    Entry {
        key: "3",
        name: "Remove",
        about: "remove the installation, or a part of it",
        command: "remove",
        screen: Screen::Removal,
    },
    Entry {
        key: "4",
        name: "Host driver",
        about: "check whether a bundle's driver supports this host",
        command: "check",
        screen: Screen::BundleIfAny,
    },
    Entry {
        key: "5",
        name: "Guest drivers",
        about: "list the guest drivers and how to install them",
        command: "guest-drivers",
        screen: Screen::Nothing,
    },
    Entry {
        key: "6",
        name: "Licensing",
        about: "set up guest licensing",
        command: "license",
        screen: Screen::License,
    },
    Entry {
        key: "7",
        name: "Status",
        about: "show what is installed and whether it has drifted",
        command: "status",
        screen: Screen::Nothing,
    },
    Entry {
        key: "8",
        name: "Repair",
        about: "find damage to the installer's own state",
        command: "repair",
        screen: Screen::Nothing,
    },
    Entry {
        key: "9",
        name: "Trust a key",
        about: "accept bundles that this key has signed",
        command: "trust add",
        screen: Screen::Key,
    },
];

impl Entry {
    /// Returns the entries whose commands exist in this command line interface.
    pub(super) fn of(tree: &clap::Command) -> impl Iterator<Item = &'static Self> {
        ENTRIES.iter().filter(move |entry| {
            let mut words = entry.command.split(' ');
            words.try_fold(tree, |command, word| command.find_subcommand(word)).is_some()
        })
    }
}
