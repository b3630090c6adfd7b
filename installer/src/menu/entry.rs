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
        about: "make this host what a bundle asks for",
        command: "apply",
        screen: Screen::Bundle,
    },
    Entry {
        key: "2",
        name: "Upgrade",
        about: "the same with a newer bundle",
        command: "apply",
        screen: Screen::Bundle,
    },
    Entry {
        key: "3",
        name: "Remove",
        about: "take away what was installed, all of it or a part",
        command: "remove",
        screen: Screen::Removal,
    },
    Entry {
        key: "4",
        name: "Host driver",
        about: "say whether a bundle's driver fits this host, and why",
        command: "check",
        screen: Screen::BundleIfAny,
    },
    Entry {
        key: "5",
        name: "Guest drivers",
        about: "say where the drivers for guests are, and how a guest gets them",
        command: "guest-drivers",
        screen: Screen::Nothing,
    },
    Entry {
        key: "6",
        name: "Licence",
        about: "a licence server for guests, here or elsewhere, and what they need for it",
        command: "license",
        screen: Screen::Licence,
    },
    Entry {
        key: "7",
        name: "Status",
        about: "say whether the host is still what it was made",
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
