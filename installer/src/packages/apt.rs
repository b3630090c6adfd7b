//! The command lines of apt and dpkg.
//!
//! apt reads one list of ours and none of the host's, keeps its own lists and caches in the work
//! area, and asks nothing. The host's other settings hold, its hooks among them: Proxmox's own hook
//! is one more guard against losing `proxmox-ve`.

use vgpu_manifest::inventory::PackageName;

use crate::host::{Command, HostPath, WorkPath};

/// The name of the folder in the work area.
pub(crate) const AREA: &str = "apt";

/// For how many seconds apt waits for another one to let go of dpkg: as long as a slow upgrade.
const PATIENCE: &str = "900";

fn area(name: &str) -> WorkPath {
    WorkPath::area().join(AREA).join(name)
}

/// A program of apt with the work area as all that it knows of repositories.
fn isolated(program: &str, words: &[&str]) -> Command {
    let options = [
        format!("Dir::Etc::SourceList={}", area("sources.list")),
        "Dir::Etc::SourceParts=-".to_owned(),
        // Somebody's pins are about somebody's archives.
        "Dir::Etc::Preferences=-".to_owned(),
        "Dir::Etc::PreferencesParts=-".to_owned(),
        format!("Dir::State::Lists={}", area("lists")),
        format!("Dir::Cache={}", area("cache")),
        "APT::Default-Release=".to_owned(),
        "APT::Get::AutomaticRemove=false".to_owned(),
        // Neither the index nor anything else here has a date, and none would count.
        "Acquire::Check-Valid-Until=false".to_owned(),
        "Acquire::Check-Date=false".to_owned(),
        "Acquire::Languages=none".to_owned(),
        "Acquire::Retries=0".to_owned(),
        format!("DPkg::Lock::Timeout={PATIENCE}"),
        "Dpkg::Options::=--force-confdef".to_owned(),
        "Dpkg::Options::=--force-confold".to_owned(),
        "Dpkg::Use-Pty=0".to_owned(),
    ];
    let options = options.iter().flat_map(|option| ["-o", option.as_str()]);
    let all: Vec<_> = options.chain(words.iter().copied()).collect();
    Command::new(program, &all)
}

/// Read the index.
pub(crate) fn update() -> Command {
    isolated("apt-get", &["update"])
}

/// Install exactly these, and what they need.
pub(crate) fn install(exact: &[String], doing: Doing) -> Command {
    // A run that was cut short leaves packages unpacked whose needs are not there yet.
    let words = ["--yes", "--no-remove", "--no-install-recommends", "--fix-broken"];
    words_and(&[&words, doing.word()].concat(), "install", exact)
}

/// Bring these back to an older version and remove those, all at once: each may need the other.
pub(crate) fn exchange(back: &[String], remove: &[PackageName], doing: Doing) -> Command {
    let words = ["--yes", "--allow-downgrades", "--no-install-recommends"];
    let gone = remove.iter().map(|name| format!("{}-", name.as_str()));
    let all: Vec<_> = back.iter().cloned().chain(gone).collect();
    words_and(&[&words, doing.word()].concat(), "install", &all)
}

/// Remove what is left of these: their configuration files.
pub(crate) fn purge(names: &[PackageName]) -> Command {
    let names: Vec<_> = names.iter().map(|name| name.as_str().to_owned()).collect();
    words_and(&["--yes"], "purge", &names)
}

fn words_and(options: &[&str], verb: &str, rest: &[String]) -> Command {
    let rest = rest.iter().map(String::as_str);
    let words: Vec<_> = options.iter().copied().chain([verb]).chain(rest).collect();
    isolated("apt-get", &words)
}

/// Whether apt does something or only says what it would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doing {
    /// It does it.
    Really,
    /// It says what it would do.
    Saying,
}

impl Doing {
    fn word(self) -> &'static [&'static str] {
        match self {
            Self::Really => &[],
            Self::Saying => &["--simulate"],
        }
    }
}

/// Unpack this file of the store once more, after it was cut short.
pub(crate) fn unpack(file: &HostPath) -> Command {
    let keep = ["--force-confdef", "--force-confold"];
    Command::new("dpkg", &[&keep[..], &["--unpack", file.as_path().as_str()]].concat())
}

/// Finish everything that is unpacked.
pub(crate) fn configure() -> Command {
    Command::new("dpkg", &["--force-confdef", "--force-confold", "--configure", "--pending"])
}

/// Mark packages as what nobody, or somebody, has asked for.
pub(crate) fn mark(word: &str, names: &[PackageName]) -> Command {
    let names = names.iter().map(PackageName::as_str);
    isolated("apt-mark", &[word].into_iter().chain(names).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apt_is_asked_for_exact_versions_and_nothing_else() {
        let line = install(&["dkms=3.0.10-8".to_owned()], Doing::Really).to_string();
        assert!(line.starts_with("apt-get -o "), "{line}");
        let end = "-o Dpkg::Use-Pty=0 --yes --no-remove --no-install-recommends --fix-broken install dkms=3.0.10-8";
        assert!(line.ends_with(end), "{line}");
        let names = ["make", "g++"].map(|name| name.parse().unwrap());
        let line = exchange(&["libc6=2.36-9".to_owned()], &names, Doing::Saying).to_string();
        assert!(line.ends_with("--simulate install libc6=2.36-9 make- g++-"), "{line}");
    }
}
