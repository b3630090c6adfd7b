//! The undo copies that a revert needs, and those that are lost.

use std::collections::BTreeMap;

use vgpu_manifest::HostPath;

use super::history::{History, histories};
use super::{Acts, Entry, EntryId};
use crate::host::{Content, HostError, Kind, Look, Node, OwnPath};
use crate::state;

/// A path that cannot be restored, because the copy of its previous content is lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LostCopy {
    /// The path to restore.
    pub(crate) path: HostPath,
    /// The previous node, which is a file.
    pub(crate) original: Node,
    /// The copy.
    pub(crate) copy: OwnPath,
    /// The defect of the copy.
    pub(crate) defect: Defect,
}

/// The defect of a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Defect {
    /// There is no such file.
    Missing,
    /// Its content is another one.
    Damaged,
}

impl Defect {
    /// Returns its name.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Damaged => "damaged",
        }
    }
}

/// The depth of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Kinds and sizes.
    Sizes,
    /// Every byte.
    Bytes,
}

/// Returns the paths that reverting these entries would restore from a lost copy, except those that
/// were given up.
pub(crate) fn lost_copies<A: Acts>(
    look: &dyn Look,
    entries: &[Entry<A>],
    given_up: &BTreeMap<HostPath, EntryId>,
    depth: Depth,
) -> Result<Vec<LostCopy>, HostError> {
    let mut lost = Vec::new();
    for (path, history) in histories(entries) {
        let Some(Some(original)) = history.original() else { continue };
        let Some(content) = original.content() else { continue };
        if is_given_up(&path, &history, given_up) {
            continue;
        }
        let Some(defect) = defect(look, content, depth)? else { continue };
        // A path that has its previous state, or was changed by others, needs no copy.
        let now = look.node(&path)?;
        if now.as_ref() == Some(original) || !history.explains(now.as_ref()) {
            continue;
        }
        let copy = state::undone(content.id);
        lost.push(LostCopy { path, original: original.clone(), copy, defect });
    }
    Ok(lost)
}

/// Checks whether the operator has given up the state before the first change of this history.
pub(super) fn is_given_up(
    path: &HostPath,
    history: &History,
    given_up: &BTreeMap<HostPath, EntryId>,
) -> bool {
    given_up.get(path).is_some_and(|last| history.first <= *last)
}

/// Returns an intact copy of this content: in the undo store, or else in the item store.
pub(crate) fn copy_of(look: &dyn Look, content: Content) -> Result<Option<OwnPath>, HostError> {
    for path in [state::undone(content.id), state::stored(content.id)] {
        if is_intact(look, &path, content, Depth::Bytes)? {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

fn defect(look: &dyn Look, content: Content, depth: Depth) -> Result<Option<Defect>, HostError> {
    let (undone, stored) = (state::undone(content.id), state::stored(content.id));
    if is_intact(look, &undone, content, depth)? || is_intact(look, &stored, content, depth)? {
        return Ok(None);
    }
    let is_there = look.stat(&undone)?.is_some();
    Ok(Some(if is_there { Defect::Damaged } else { Defect::Missing }))
}

/// Checks whether the file at `path` has this content.
pub(crate) fn is_intact(
    look: &dyn Look,
    path: &HostPath,
    content: Content,
    depth: Depth,
) -> Result<bool, HostError> {
    let has_size = |stat: crate::host::Stat| stat.kind == Kind::File && stat.size == content.size;
    if !look.stat(path)?.is_some_and(has_size) {
        return Ok(false);
    }
    Ok(depth == Depth::Sizes || look.node(path)?.as_ref().and_then(Node::content) == Some(content))
}
