//! Output of `dkms status`, in the formats of DKMS up to 2 and since 3.

use serde::Serialize;

use crate::host::own::fixed;
use crate::host::{Command, Exit, HostError, Look, Output};

/// A version of a module, as DKMS manages it for a kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Build {
    /// The name of the module: `nvidia`.
    pub(crate) module: String,
    /// Its version.
    pub(crate) version: String,
    /// The kernel; `None` if it is built for none.
    pub(crate) kernel: Option<String>,
    /// The state of the build.
    pub(crate) state: BuildState,
}

/// The state of a module in DKMS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) enum BuildState {
    /// Its sources are registered.
    Added,
    /// It is built.
    Built,
    /// It is installed in the kernel's module tree.
    Installed,
    /// Any other state, such as missing sources.
    Broken,
}

/// Parses the output of `dkms status`. Lines that do not describe a module are skipped.
#[must_use]
pub(crate) fn builds(text: &str) -> Vec<Build> {
    text.lines().filter_map(build).collect()
}

/// Parses `nvidia, 535.54.06, 5.15.0-1-pve, x86_64: installed`, or with `nvidia/535.54.06` since
/// DKMS 3; kernel and architecture are missing while the module is only added.
fn build(line: &str) -> Option<Build> {
    let (left, right) = line.split_once(": ")?;
    let mut parts = left.split(", ");
    let first = parts.next()?;
    let (module, version) = match first.split_once('/') {
        Some(pair) => pair,
        None => (first, parts.next()?),
    };
    let plain = |text: &str| !text.is_empty() && !text.contains(char::is_whitespace);
    if !plain(module) || !plain(version) {
        return None;
    }
    let kernel = parts.next().map(str::to_owned);
    let word = right.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
    let state = match word {
        "added" => BuildState::Added,
        "built" => BuildState::Built,
        "installed" => BuildState::Installed,
        _ => BuildState::Broken,
    };
    Some(Build { module: module.to_owned(), version: version.to_owned(), kernel, state })
}

/// The folder in which DKMS keeps its whole state of the module.
const TREE: &str = "/var/lib/dkms/nvidia";

/// Returns DKMS's state of the `nvidia` module; `None` without DKMS, or where commands do not run.
pub(crate) fn status(look: &dyn Look) -> Result<Option<Vec<Build>>, HostError> {
    let command = Command::new("dkms", &["status", "-m", "nvidia"]);
    match look.query_about(&command, &fixed(TREE)) {
        Err(HostError::Start { .. }) => Ok(Some(Vec::new())),
        Err(error) => Err(error),
        Ok(None) => Ok(None),
        Ok(Some(output)) if output.succeeded() => {
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let mut all = builds(&text);
            all.retain(|build| build.module == "nvidia");
            Ok(Some(all))
        }
        // Without the program, `chroot` itself fails.
        Ok(Some(Output { exit: Exit::Status(127), .. })) => Ok(Some(Vec::new())),
        // DKMS 2 and 3 exit with 0 even if they have no such module, so a failure is not a "no".
        Ok(Some(Output { exit, stdout, stderr })) => {
            let tail = String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned();
            Err(HostError::Failed { command, exit, tail })
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::host::testing::{MemHost, Program};

    #[test]
    fn both_forms_say_the_same() {
        // Output of DKMS 2.8.4 (Debian 11) and DKMS 3.0.10 (Debian 12).
        let old =
            "nvidia, 535.54.06, 5.15.158-2-pve, x86_64: installed\nnvidia, 550.90.05: added\n";
        let new = "nvidia/535.54.06, 5.15.158-2-pve, x86_64: installed\nnvidia/550.90.05: added\n";
        assert_eq!(builds(old), builds(new));
        let all = builds(new);
        assert_eq!(all[0].kernel.as_deref(), Some("5.15.158-2-pve"));
        assert_eq!((all[0].state, all[1].state), (BuildState::Installed, BuildState::Added));
        assert_eq!(all[1].kernel, None);
    }

    #[test]
    fn warnings_and_other_modules_do_not_confuse_it() {
        use BuildState::{Broken, Built, Installed};

        let text = "\
Deprecated feature: REMAKE_INITRD (/var/lib/dkms/nvidia/1/source/dkms.conf)
nvidia/580.65.05, 6.8.12-4-pve, x86_64: installed (WARNING! Diff between built and installed module!)
zfs/2.2.6, 6.8.12-4-pve, x86_64: built
nvidia/580.65.05, 6.14.0-1-pve, x86_64: broken
Error! Could not locate dkms.conf file.
";
        let states: Vec<_> = builds(text).into_iter().map(|build| build.state).collect();
        assert_eq!(states, [Installed, Built, Broken]);
    }

    #[test]
    fn a_dkms_that_cannot_answer_does_not_mean_that_there_is_nothing() {
        let ask = |program: Program| {
            let mut host = MemHost::default();
            host.programs.insert("dkms", program);
            status(&host)
        };
        let text = "nvidia/550.90.05: added\n";
        assert_eq!(ask(|_, _| Ok(0)).unwrap(), Some(Vec::new()));
        let one = |host: &mut MemHost, _: &[&str]| {
            host.stdout += "nvidia/550.90.05: added\n";
            Ok(0)
        };
        assert_eq!(ask(one).unwrap(), Some(builds(text)));
        let error = ask(|_, _| Ok(1)).unwrap_err().to_string();
        assert_eq!(error, "`dkms status -m nvidia` failed with exit status 1");
        // It is not present.
        assert_eq!(ask(|_, _| Ok(127)).unwrap(), Some(Vec::new()));
        assert_eq!(status(&MemHost::default()).unwrap(), Some(Vec::new()));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(nvidia[/,] ?[0-9.]{0,5},? ?\\PC{0,9}: ?[a-z]*\n?){0,4}") {
            let _ = builds(&text);
        }
    }
}
