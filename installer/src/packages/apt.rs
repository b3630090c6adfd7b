//! The command lines of apt and dpkg.
//!
//! apt reads one list of this program and none of the host's, keeps its lists and caches in the
//! work area, and asks no questions. The host's other settings stay in effect, including hooks:
//! Proxmox's hook is an additional guard against removing `proxmox-ve`.

use vgpu_manifest::inventory::PackageName;

use crate::host::{Command, HostPath, WorkPath};
use crate::state;

/// The name of the folder in the work area.
pub(crate) const AREA: &str = "apt";

/// The folder in it with [`HOLD`].
pub(super) const HELD: &str = "held";

/// The program that dpkg's triggers run instead of `update-initramfs`.
///
/// The trigger of `initramfs-tools` (0.142, its `postinst triggered`) rebuilds the image of
/// the newest kernel. The installer rebuilds all images at the end of the phase, for which this
/// leaves a durable mark. All other calls are not triggers.
pub(super) fn hold() -> String {
    format!(
        "#!/bin/sh\n\
         if [ \"$*\" = -u ] && [ -z \"$DPKG_MAINTSCRIPT_PACKAGE\" ]; then\n\
         \x20   : >{due} && exec sync {due}\n\
         fi\n\
         exec /usr/sbin/update-initramfs \"$@\"\n",
        due = state::initramfs_due()
    )
}

/// The number of seconds that apt waits for the dpkg lock: as long as a slow upgrade.
const PATIENCE: &str = "900";

fn area(name: &str) -> WorkPath {
    WorkPath::area().join(AREA).join(name)
}

/// Returns a program of apt that uses only the repositories of the work area.
fn isolated(program: &str, words: &[&str]) -> Command {
    let options = [
        format!("Dir::Etc::SourceList={}", area("sources.list")),
        "Dir::Etc::SourceParts=-".to_owned(),
        // The host's pins refer to the host's archives.
        "Dir::Etc::Preferences=-".to_owned(),
        "Dir::Etc::PreferencesParts=-".to_owned(),
        format!("Dir::State::Lists={}", area("lists")),
        format!("Dir::Cache={}", area("cache")),
        "APT::Default-Release=".to_owned(),
        "APT::Get::AutomaticRemove=false".to_owned(),
        // Neither the index nor the packages have a date, and the host's clock may be wrong.
        "Acquire::Check-Valid-Until=false".to_owned(),
        "Acquire::Check-Date=false".to_owned(),
        "Acquire::Languages=none".to_owned(),
        "Acquire::Retries=0".to_owned(),
        format!("DPkg::Lock::Timeout={PATIENCE}"),
        "Dpkg::Options::=--force-confdef".to_owned(),
        "Dpkg::Options::=--force-confold".to_owned(),
        "Dpkg::Use-Pty=0".to_owned(),
        // apt's own default, after the folder with the program that holds back a trigger.
        format!("DPkg::Path={}:/usr/sbin:/usr/bin:/sbin:/bin", area(HELD)),
    ];
    let options = options.iter().flat_map(|option| ["-o", option.as_str()]);
    let all: Vec<_> = options.chain(words.iter().copied()).collect();
    Command::new(program, &all)
}

/// Reads the index.
pub(crate) fn update() -> Command {
    isolated("apt-get", &["update"])
}

/// Installs exactly these packages and their dependencies.
pub(crate) fn install(exact: &[String], doing: Doing) -> Command {
    // An interrupted run may leave unpacked packages whose dependencies are missing.
    let words = ["--yes", "--no-remove", "--no-install-recommends", "--fix-broken"];
    words_and(&[&words, doing.word()].concat(), "install", exact)
}

/// Downgrades some packages and removes others in one run: each may depend on the other.
pub(crate) fn exchange(back: &[String], remove: &[PackageName], doing: Doing) -> Command {
    let words = ["--yes", "--allow-downgrades", "--no-install-recommends"];
    let gone = remove.iter().map(|name| format!("{}-", name.as_str()));
    let all: Vec<_> = back.iter().cloned().chain(gone).collect();
    words_and(&[&words, doing.word()].concat(), "install", &all)
}

/// Purges these packages, of which only configuration files are left.
pub(crate) fn purge(names: &[PackageName]) -> Command {
    let names: Vec<_> = names.iter().map(|name| name.as_str().to_owned()).collect();
    words_and(&["--yes"], "purge", &names)
}

fn words_and(options: &[&str], verb: &str, rest: &[String]) -> Command {
    let rest = rest.iter().map(String::as_str);
    let words: Vec<_> = options.iter().copied().chain([verb]).chain(rest).collect();
    isolated("apt-get", &words)
}

/// Whether apt changes anything or only simulates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doing {
    /// It changes the host.
    Really,
    /// It only simulates.
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

/// Unpacks this file of the store again, after an interruption.
pub(crate) fn unpack(file: &HostPath) -> Command {
    let keep = ["--force-confdef", "--force-confold"];
    Command::new("dpkg", &[&keep[..], &["--unpack", file.as_path().as_str()]].concat())
}

/// Configures everything that is unpacked.
pub(crate) fn configure() -> Command {
    Command::new("dpkg", &["--force-confdef", "--force-confold", "--configure", "--pending"])
}

/// Marks packages as automatically or manually installed.
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
        let end = "-o DPkg::Path=/var/lib/vgpu-offline-work/apt/held:/usr/sbin:/usr/bin:/sbin:/bin \
                   --yes --no-remove --no-install-recommends --fix-broken install dkms=3.0.10-8";
        assert!(line.ends_with(end), "{line}");
        let names = ["make", "g++"].map(|name| name.parse().unwrap());
        let line = exchange(&["libc6=2.36-9".to_owned()], &names, Doing::Saying).to_string();
        assert!(line.ends_with("--simulate install libc6=2.36-9 make- g++-"), "{line}");
    }
}
