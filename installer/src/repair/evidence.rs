//! Evidence that something was applied to this host, apart from the journal.

use std::fmt;

use vgpu_manifest::HostPath;

use crate::host::{HostError, Kind, Look, Node, OwnPath};
use crate::state::{self, fixed};
use crate::store::Bundles;
use crate::trust::Floors;

/// Paths that only this program creates, and that a revert removes.
const OWN_FILES: [&str; 12] = [
    "/etc/apt/sources.list.d/vgpu-offline.list",
    "/etc/apt/sources.list.d/vgpu-offline.sources",
    "/etc/default/grub.d/vgpu-offline.cfg",
    "/etc/dkms/framework.conf.d/vgpu-offline.conf",
    "/etc/initramfs-tools/hooks/vgpu-offline",
    "/etc/kernel/header_postinst.d/vgpu-offline",
    "/etc/kernel/postinst.d/vgpu-offline",
    "/etc/kernel/postrm.d/vgpu-offline",
    "/etc/modprobe.d/vgpu-offline.conf",
    "/etc/modprobe.d/vgpu-offline-passthrough.conf",
    "/etc/modules-load.d/vgpu-offline.conf",
    "/etc/systemd/system/vgpu-offline-resume.service",
];

/// The journal of a host with changes is missing or unusable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the journal {path} {defect}, so nothing here can be reverted; without it, this is known:{}", list(.evidence))]
pub(crate) struct JournalLost {
    path: OwnPath,
    pub(crate) defect: &'static str,
    pub(crate) evidence: Vec<Evidence>,
}

/// A trace of an applied bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Evidence {
    /// A path that a bundle has placed.
    Path(HostPath),
    /// Saved copies of replaced files.
    Copies(usize),
    /// The copy of the journal.
    JournalCopy,
    /// The floors list confirmed bundles.
    Confirmed,
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => write!(f, "installed: {path}"),
            Self::Copies(1) => write!(f, "1 saved copy of a replaced file in {}", state::undo()),
            Self::Copies(n) => write!(f, "{n} saved copies of replaced files in {}", state::undo()),
            Self::JournalCopy => write!(f, "a copy of the journal: {}", state::journal_copy()),
            Self::Confirmed => f.write_str("bundles that were confirmed on this host"),
        }
    }
}

fn list(evidence: &[Evidence]) -> String {
    let line = |text: String, it| text + "\n  " + &vgpu_manifest::printable(&format!("{it}"));
    evidence.iter().fold(String::new(), line)
}

/// Checks the files of the journal before SQLite opens them, which creates missing ones, and could
/// wait forever for a pipe.
///
/// # Errors
///
/// The journal is unusable, or it is missing although something was applied here.
pub(crate) fn check_journal(look: &dyn Look) -> Result<Result<(), JournalLost>, HostError> {
    let path = state::journal();
    let [log, rollback] = state::sidecars(&path);
    let lost = |path, defect, evidence| Ok(Err(JournalLost { path, defect, evidence }));
    for path in [&path, &log, &rollback] {
        if look.stat(path)?.is_some_and(|stat| stat.kind != Kind::File) {
            return lost(path.clone(), "is not a regular file", evidence(look)?);
        }
    }
    let defect = match look.stat(&path)? {
        Some(stat) if stat.size > 0 => return Ok(Ok(())),
        Some(_) => "is empty",
        None => "is missing",
    };
    let evidence = evidence(look)?;
    if evidence.is_empty() { Ok(Ok(())) } else { lost(path, defect, evidence) }
}

/// Returns all evidence on this host.
pub(crate) fn evidence(look: &dyn Look) -> Result<Vec<Evidence>, HostError> {
    let mut found: Vec<_> = paths(look)?.into_iter().map(Evidence::Path).collect();
    let copies = look.list_own(&state::undo()).unwrap_or_default().0.len();
    found.extend((copies > 0).then_some(Evidence::Copies(copies)));
    let copy = look.stat(&state::journal_copy())?;
    found.extend(copy.is_some_and(|it| it.size > 0).then_some(Evidence::JournalCopy));
    let floors = Floors::load(look).unwrap_or_default();
    let confirmed = floors.iter().any(|(_, floor)| !floor.proven.is_empty());
    found.extend(confirmed.then_some(Evidence::Confirmed));
    Ok(found)
}

/// Returns the paths that bundles have placed here: the installer's own files, and the files and
/// units of the bundles in the store that have the content of their item.
pub(crate) fn paths(look: &dyn Look) -> Result<Vec<HostPath>, HostError> {
    let mut found = Vec::new();
    for path in OWN_FILES.map(fixed) {
        // Anything but a file is of others: an apply would have refused it.
        if look.stat(&path)?.is_some_and(|stat| stat.kind == Kind::File) {
            found.push(path);
        }
    }
    for manifest in Bundles::load(look).manifests(look) {
        let wants = &manifest.wants;
        let files = wants.files.iter().map(|file| (file.path.clone(), &file.item));
        let unit = |name: &dyn fmt::Display| fixed(&format!("/etc/systemd/system/{name}"));
        let units = wants.units.iter().map(|it| (unit(&it.name), &it.item));
        let drop_in = |it: &vgpu_manifest::WantedDropIn| format!("{}.d/{}", it.unit, it.name);
        let drop_ins = wants.drop_ins.iter().map(|it| (unit(&drop_in(it)), &it.item));
        for (path, name) in files.chain(units).chain(drop_ins) {
            let Some(item) = manifest.items.iter().find(|it| it.name() == name) else { continue };
            let content = look.node(&path)?.as_ref().and_then(Node::content);
            if content.is_some_and(|content| content.id == item.id()) && !found.contains(&path) {
                found.push(path);
            }
        }
    }
    Ok(found)
}
