use std::collections::BTreeMap;

use vgpu_manifest::HostPath;
use vgpu_manifest::ui::{Exit, Explain};

use crate::act::{Action, Change};
use crate::host::{HostError, Look, Node};
use crate::state::{self, fixed};
use crate::ui::ByteSize;

/// The bytes reserved for the journal, folders and rounding.
const RESERVE: u64 = 16 << 20;

/// The space that an apply takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Needs {
    /// Bytes by folder.
    by_folder: BTreeMap<HostPath, u64>,
}

/// The host has too little space, or does not report it. Nothing has been written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum SpaceError {
    /// Too little space.
    #[error("{folder} has {} free, but {} are needed there", ByteSize::new(*.free), ByteSize::new(*.needed))]
    TooLittle {
        /// The folder.
        folder: HostPath,
        /// The free bytes.
        free: u64,
        /// The needed bytes.
        needed: u64,
    },
    /// The host failed.
    #[error(transparent)]
    Host(#[from] HostError),
}

impl Explain for SpaceError {
    fn exit(&self) -> Option<Exit> {
        matches!(self, Self::TooLittle { .. }).then_some(Exit::Unsuitable)
    }

    fn hint(&self) -> Option<&str> {
        matches!(self, Self::TooLittle { .. })
            .then_some("free some space and run the command again; nothing has been written")
    }
}

/// Returns the space needed to stage `bytes` and then make these changes.
///
/// On most hosts all folders are on one file system, which must hold the sum. On other hosts this
/// overestimates the space needed at the store.
#[must_use]
pub(crate) fn needs(bytes: u64, changes: &[Change]) -> Needs {
    let mut by_folder: BTreeMap<HostPath, u64> = BTreeMap::new();
    let size = |node: &Option<Node>| {
        node.as_ref().and_then(Node::content).map_or(0, |content| content.size)
    };
    let mut at_the_store = bytes;
    for change in changes {
        let (path, before, after) = match change {
            Change::Put { path, before, after, .. } => (path, before, after),
            Change::Act(Action::Packages(packages)) => {
                *by_folder.entry(fixed("/usr")).or_default() += packages.unpacked();
                continue;
            }
            Change::Act(Action::Driver(driver)) => {
                // Unpacked, a package takes about four times its size, here and once installed.
                let unpacked = driver.driver.content.size.saturating_mul(4);
                at_the_store += unpacked;
                *by_folder.entry(fixed("/usr")).or_default() += unpacked;
                continue;
            }
            Change::Act(Action::Run(_) | Action::Foreign(_)) | Change::Lost { .. } => continue,
        };
        at_the_store += size(before) + size(after);
        if let Some(folder) = path.parent() {
            *by_folder.entry(folder).or_default() += size(after);
        }
    }
    *by_folder.entry(state::store().into()).or_default() += at_the_store;
    for needed in by_folder.values_mut().filter(|needed| **needed > 0) {
        *needed += RESERVE;
    }
    Needs { by_folder }
}

impl Needs {
    /// Checks that the host has this space.
    pub(crate) fn check(&self, look: &dyn Look) -> Result<(), SpaceError> {
        for (folder, &needed) in &self.by_folder {
            let free = look.free_space(folder)?;
            if needed > free {
                return Err(SpaceError::TooLittle { folder: folder.clone(), free, needed });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use vgpu_manifest::Mode;

    use super::*;
    use crate::host::Content;

    fn file(bytes: &[u8]) -> Node {
        Node::file(Content::of(bytes), Mode::FILE)
    }

    fn put(path: &str, before: Option<Node>, after: Option<Node>) -> Change {
        Change::Put { path: fixed(path), named: None, before, after, words: Vec::new() }
    }

    #[test]
    fn the_store_also_holds_what_is_replaced() {
        let changes = [
            put("/etc/a", Some(file(b"12345")), Some(file(b"123"))),
            put("/usr/lib/b", None, Some(file(b"1234567"))),
            put("/etc/c", Some(file(b"1")), None),
        ];
        let needs = needs(1000, &changes).by_folder;
        assert_eq!(needs[&state::store()], 1000 + 5 + 3 + 7 + 1 + RESERVE);
        assert_eq!(needs[&fixed("/etc")], 3 + RESERVE);
        assert_eq!(needs[&fixed("/usr/lib")], 7 + RESERVE);
    }

    #[test]
    fn nothing_to_write_needs_nothing() {
        assert_eq!(needs(0, &[]).by_folder[&state::store()], 0);
    }
}
