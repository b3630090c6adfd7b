use serde::{Deserialize, Serialize};
use vgpu_manifest::HostPath;
use vgpu_manifest::inventory::{Leftover, LeftoverKind};

use super::{Goal, StepError};
use crate::act::Journal;
use crate::host::{Look, Node};

/// Removes leftovers of an earlier installation that conflict with this one.
///
/// Other leftovers stay, and `status` ignores them: they belong to the operator. A revert restores
/// the removed ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct ClearLeftovers {
    /// The conflicting leftovers.
    pub(crate) leftovers: Vec<Leftover>,
}

/// A module that kernels since 6.2 no longer have.
const VIRQFD: &str = "vfio_virqfd";

impl ClearLeftovers {
    /// Returns the leftovers that conflict with an installation.
    #[must_use]
    pub(crate) fn in_the_way(leftovers: &[Leftover]) -> Option<Self> {
        let hinders = |leftover: &&Leftover| Hindrance::of(leftover).is_some();
        let leftovers: Vec<_> = leftovers.iter().filter(hinders).cloned().collect();
        if leftovers.is_empty() { None } else { Some(Self { leftovers }) }
    }

    fn hindrances(&self) -> impl Iterator<Item = (&HostPath, Hindrance)> {
        self.leftovers.iter().filter_map(|leftover| {
            Hindrance::of(leftover).map(|hindrance| (&leftover.path, hindrance))
        })
    }
}

/// The way in which a leftover conflicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hindrance {
    /// The whole file conflicts.
    File,
    /// Only this line of the file conflicts.
    Line(&'static str),
}

impl Hindrance {
    fn of(leftover: &Leftover) -> Option<Self> {
        match leftover.kind {
            // It preloads a second library, or one that no longer exists.
            LeftoverKind::UnlockDropIn
            // Its rules bind GPUs that this installation assigns differently.
            | LeftoverKind::UdevRules => Some(Self::File),
            // Its key is in a folder that can disappear at any time.
            LeftoverKind::DkmsSigning if is_drop_in(&leftover.path) => Some(Self::File),
            // systemd-modules-load.service fails at every boot because of this module.
            LeftoverKind::ModulesVirqfd => Some(Self::Line(VIRQFD)),
            _ => None,
        }
    }

    fn is_gone(self, look: &dyn Look, path: &HostPath) -> Result<bool, StepError> {
        Ok(match self {
            Self::File => look.stat(path)?.is_none(),
            Self::Line(line) => !has_line(&look.read(path)?.unwrap_or_default(), line),
        })
    }

    fn clear(self, journal: &mut Journal<'_>, path: &HostPath) -> Result<(), StepError> {
        match self {
            Self::File => Ok(journal.remove(path)?),
            Self::Line(line) => {
                let (bytes, node) = (journal.look().read(path)?, journal.look().node(path)?);
                let (Some(bytes), Some(Node::File { meta, .. })) = (bytes, node) else {
                    return Ok(());
                };
                Ok(journal.put_bytes(path, &without_line(&bytes, line), meta)?)
            }
        }
    }
}

fn is_drop_in(path: &HostPath) -> bool {
    path.as_path().starts_with("/etc/dkms/framework.conf.d")
}

fn has_line(text: &[u8], line: &str) -> bool {
    text.split(|b| *b == b'\n').any(|other| other.trim_ascii() == line.as_bytes())
}

/// Returns the text without the lines that consist only of `line`.
fn without_line(text: &[u8], line: &str) -> Vec<u8> {
    let lines = text.split_inclusive(|b| *b == b'\n');
    lines.filter(|other| other.trim_ascii() != line.as_bytes()).flatten().copied().collect()
}

impl Goal for ClearLeftovers {
    fn summary(&self) -> String {
        let names = self.hindrances().map(|(path, hindrance)| match hindrance {
            Hindrance::File => path.to_string(),
            Hindrance::Line(line) => format!("`{line}` in {path}"),
        });
        format!(
            "remove leftovers of an earlier installation: {}",
            names.collect::<Vec<_>>().join(", ")
        )
    }

    fn why(&self) -> String {
        "They would preload a different library, bind GPUs by different rules, sign modules with \
         a key that may no longer exist, or load a kernel module that no longer exists."
            .to_owned()
    }

    fn is_true(&self, look: &dyn Look) -> Result<bool, StepError> {
        for (path, hindrance) in self.hindrances() {
            if !hindrance.is_gone(look, path)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn make_true(&self, journal: &mut Journal<'_>) -> Result<(), StepError> {
        for (path, hindrance) in self.hindrances() {
            if !hindrance.is_gone(journal.look(), path)? {
                hindrance.clear(journal, path)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_line_goes() {
        let text = b"# vfio_virqfd was here\nvfio\n vfio_virqfd \nvfio_virqfd_x\nvfio_virqfd";
        assert!(has_line(text, VIRQFD));
        let left = without_line(text, VIRQFD);
        assert_eq!(left, b"# vfio_virqfd was here\nvfio\nvfio_virqfd_x\n");
        assert!(!has_line(&left, VIRQFD));
    }

    #[test]
    fn what_is_not_in_the_way_stays() {
        let leftover = |kind, path: &str| Leftover { kind, path: HostPath::new(path).unwrap() };
        let all = [
            leftover(LeftoverKind::Rustup, "/root/.cargo"),
            leftover(LeftoverKind::DkmsSigning, "/etc/dkms/framework.conf"),
            leftover(LeftoverKind::UdevRules, "/etc/udev/rules.d/90-vfio-pci.rules"),
        ];
        let step = ClearLeftovers::in_the_way(&all).unwrap();
        assert_eq!(step.leftovers, all[2..]);
        assert_eq!(ClearLeftovers::in_the_way(&all[..2]), None);
    }
}
