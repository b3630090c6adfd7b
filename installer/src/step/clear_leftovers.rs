use serde::{Deserialize, Serialize};
use vgpu_manifest::HostPath;
use vgpu_manifest::inventory::{Among, Leftover, LeftoverKind};

use super::{Goal, StepError};
use crate::act::Journal;
use crate::host::{Look, Node};

/// Removes leftovers of an earlier installation that conflict with this one.
///
/// Other leftovers stay, and `status` ignores them: they belong to the operator. A revert restores
/// the removed ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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

    /// Returns the leftovers that prevent an installation and that only the operator can remove:
    /// they are in files with other settings, in files of packages, or in an unknown place.
    pub(crate) fn refused(leftovers: &[Leftover]) -> impl Iterator<Item = &Leftover> {
        let prevents = |leftover: &&Leftover| match leftover.kind {
            LeftoverKind::VfioIds | LeftoverKind::NvidiaBlacklist | LeftoverKind::NvidiaInstall => {
                Hindrance::of(leftover).is_none()
            }
            _ => false,
        };
        leftovers.iter().filter(prevents)
    }

    /// Returns each path once, although a file can have several leftovers.
    fn hindrances(&self) -> Vec<(&HostPath, Hindrance)> {
        let hindrances = self.leftovers.iter().filter_map(|leftover| {
            Hindrance::of(leftover).map(|hindrance| (&leftover.path, hindrance))
        });
        let mut unique = Vec::new();
        for hindrance in hindrances {
            if !unique.contains(&hindrance) {
                unique.push(hindrance);
            }
        }
        unique
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
            | LeftoverKind::UdevRules
            // It enables the virtual functions at the same time as the unit of this installation.
            | LeftoverKind::SriovUnit => Some(Self::File),
            // Its key is in a folder that can disappear at any time.
            LeftoverKind::DkmsSigning if is_drop_in(&leftover.path) => Some(Self::File),
            // systemd-modules-load.service fails at every boot because of this module.
            LeftoverKind::ModulesVirqfd => Some(Self::Line(VIRQFD)),
            // They keep NVIDIA's driver from the GPU.
            LeftoverKind::VfioIds
            | LeftoverKind::VfioSoftdep
            | LeftoverKind::NvidiaBlacklist
            | LeftoverKind::NvidiaInstall => can_remove(leftover).then_some(Self::File),
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

/// Checks whether the whole file can be removed. Files outside of `/etc` belong to packages.
fn can_remove(leftover: &Leftover) -> bool {
    let is_alone = leftover.line.as_ref().is_some_and(|line| line.among == Among::Leftovers);
    is_alone && leftover.path.as_path().starts_with("/etc")
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
        let names = self.hindrances().into_iter().map(|(path, hindrance)| match hindrance {
            Hindrance::File => path.to_string(),
            Hindrance::Line(line) => format!("`{line}` in {path}"),
        });
        format!(
            "remove leftovers of an earlier installation: {}",
            names.collect::<Vec<_>>().join(", ")
        )
    }

    fn why(&self) -> String {
        "They would preload a different library, bind GPUs by different rules, keep NVIDIA's \
         driver from the GPUs, enable virtual functions a second time, sign modules with a key \
         that may no longer exist, or load a kernel module that no longer exists."
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
    use vgpu_manifest::inventory::LeftoverLine;

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
        let leftover = |kind, path: &str| Leftover::at(kind, HostPath::new(path).unwrap());
        let all = [
            leftover(LeftoverKind::Rustup, "/root/.cargo"),
            leftover(LeftoverKind::DkmsSigning, "/etc/dkms/framework.conf"),
            leftover(LeftoverKind::UdevRules, "/etc/udev/rules.d/90-vfio-pci.rules"),
        ];
        let step = ClearLeftovers::in_the_way(&all).unwrap();
        assert_eq!(step.leftovers, all[2..]);
        assert_eq!(ClearLeftovers::in_the_way(&all[..2]), None);
    }

    fn line(kind: LeftoverKind, path: &str, number: u32, among: Among) -> Leftover {
        let line = Some(LeftoverLine::new(number, "a line", among));
        Leftover { line, ..Leftover::at(kind, HostPath::new(path).unwrap()) }
    }

    #[test]
    fn a_file_of_passthrough_is_removed_and_a_line_among_others_is_refused() {
        let vfio = "/etc/modprobe.d/vfio.conf";
        let all = [
            line(LeftoverKind::VfioIds, vfio, 1, Among::Leftovers),
            line(LeftoverKind::VfioSoftdep, vfio, 2, Among::Leftovers),
            line(LeftoverKind::NvidiaBlacklist, "/lib/modprobe.d/x.conf", 1, Among::Leftovers),
            line(LeftoverKind::NvidiaInstall, "/etc/modprobe.d/mine.conf", 3, Among::Others),
            // Without ids it has no effect.
            line(LeftoverKind::VfioSoftdep, "/etc/modprobe.d/mine.conf", 4, Among::Others),
            line(LeftoverKind::VfioIds, "/etc/default/grub", 9, Among::Others),
        ];
        let step = ClearLeftovers::in_the_way(&all).unwrap();
        assert_eq!(step.leftovers, all[..2]);
        assert_eq!(step.summary(), format!("remove leftovers of an earlier installation: {vfio}"));
        let refused: Vec<_> = ClearLeftovers::refused(&all).collect();
        assert_eq!(refused, [&all[2], &all[3], &all[5]]);
    }
}
