/// An entry of the menu.
#[derive(Debug)]
pub(super) struct Entry {
    /// What is typed for it. The Bash script's numbers stay what they were as far as that goes.
    pub(super) key: &'static str,
    /// What it is called.
    pub(super) name: &'static str,
    /// What it does.
    pub(super) about: &'static str,
    /// The command, by the words that lead to it.
    pub(super) command: &'static str,
    /// What it needs to know.
    pub(super) screen: Screen,
}

/// What an entry asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Screen {
    /// Which bundle, and what GPUs shall do where there are several.
    Bundle,
    /// Which bundle, or none.
    BundleIfAny,
    /// What is to go.
    Removal,
    /// What it is about licences.
    Licence,
    /// Nothing.
    Nothing,
}

/// All that there may be.
const ENTRIES: [Entry; 7] = [
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
        screen: Screen::Licence,
    },
    Entry {
        key: "7",
        name: "Status",
        about: "show what is installed and whether it has drifted",
        command: "status",
        screen: Screen::Nothing,
    },
];

impl Entry {
    /// Those whose commands a program with this command line has.
    pub(super) fn of(tree: &clap::Command) -> impl Iterator<Item = &'static Self> {
        ENTRIES.iter().filter(move |entry| {
            let mut words = entry.command.split(' ');
            words.try_fold(tree, |command, word| command.find_subcommand(word)).is_some()
        })
    }
}
