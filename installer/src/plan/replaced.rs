//! The existing files that a plan replaces, for its reviewer.

use std::collections::BTreeMap;

use serde::Serialize;
use vgpu_manifest::HostPath;

use super::Rehearsal;
use super::diff::unified;
use crate::act::Change;
use crate::host::{Content, HostError, Look, Meta, Node};

/// The largest file whose content is compared.
pub(crate) const MAX_TEXT: u64 = 64 << 10;

/// An existing file or link that a plan replaces or removes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Replaced {
    path: HostPath,
    was: Node,
    /// The new node; `None` if it is removed.
    becomes: Option<Node>,
    /// The lines of a unified diff, if both are text that everyone may read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    diff: Vec<String>,
    /// The reason why there is no diff.
    #[serde(skip_serializing_if = "Option::is_none")]
    no_diff: Option<&'static str>,
}

impl Replaced {
    /// Returns the files and links that a plan replaces. `item` returns the bytes of a content that
    /// comes from the bundle.
    pub(crate) fn of(
        rehearsal: &Rehearsal,
        look: &dyn Look,
        item: &dyn Fn(Content) -> Option<Vec<u8>>,
    ) -> Result<Vec<Self>, HostError> {
        let mut ends: BTreeMap<&HostPath, (&Node, Option<&Node>)> = BTreeMap::new();
        let mut new = Vec::new();
        for change in &rehearsal.changes {
            match change {
                Change::Put { path, before: None, .. } => new.push(path),
                Change::Put { path, before: Some(before), after, .. } if !new.contains(&path) => {
                    ends.entry(path).or_insert((before, None)).1 = after.as_ref();
                }
                _ => {}
            }
        }
        let is_folder = |node: &Node| matches!(node, Node::Dir { .. });
        let mut all = Vec::new();
        for (path, (was, becomes)) in ends.into_iter().filter(|(_, (was, _))| !is_folder(was)) {
            let (was, becomes) = (was.clone(), becomes.cloned());
            let mut one =
                Self { path: path.clone(), was, becomes, diff: Vec::new(), no_diff: None };
            match one.texts(rehearsal, look, item)? {
                Ok((old, new)) => one.diff = unified(&old, &new),
                Err(why) => one.no_diff = why,
            }
            all.push(one);
        }
        Ok(all)
    }

    /// Returns both texts, or the reason why they are not compared, if there is anything to compare.
    fn texts(
        &self,
        rehearsal: &Rehearsal,
        look: &dyn Look,
        item: &dyn Fn(Content) -> Option<Vec<u8>>,
    ) -> Result<Result<(String, String), Option<&'static str>>, HostError> {
        let (Node::File { content: old, meta: was }, Some(Node::File { content: new, meta: is })) =
            (&self.was, &self.becomes)
        else {
            return Ok(Err(None));
        };
        if old == new {
            return Ok(Err(None));
        }
        if [was, is].iter().any(|meta| !meta.mode.is_for_everyone()) {
            return Ok(Err(Some("not shown: not everyone may read it")));
        }
        if [old, new].iter().any(|content| content.size > MAX_TEXT) {
            return Ok(Err(Some("not shown: larger than 64 KiB")));
        }
        let new = match rehearsal.texts.get(&self.path) {
            Some(bytes) => Some(bytes.clone()),
            None => item(*new),
        };
        let text = |bytes: Option<Vec<u8>>| {
            let text = String::from_utf8(bytes.unwrap_or_default()).ok()?;
            let is_text = |c: char| !c.is_control() || matches!(c, '\n' | '\t' | '\r');
            text.chars().all(is_text).then_some(text)
        };
        Ok(match (text(look.read_up_to(&self.path, MAX_TEXT)?), text(new)) {
            (Some(old), Some(new)) => Ok((old, new)),
            _ => Err(Some("not shown: not text")),
        })
    }

    /// Returns a line about it, and the lines of the diff, not escaped.
    pub(crate) fn lines(&self) -> Vec<String> {
        let (was, becomes) = (&self.was, self.becomes.as_ref());
        let head = match (was, becomes) {
            (was, None) => format!("removed, was {}", describe(was)),
            (
                Node::File { content: old, meta: was },
                Some(Node::File { content: new, meta: is }),
            ) => {
                let (mode, owner) = (from_to(was, is, &mode), from_to(was, is, &owner));
                let size = from_to(old, new, &|content: &Content| content.size.to_string());
                format!("mode {mode}, owner {owner}, {size} bytes")
            }
            (was, Some(is)) => format!("{} → {}", describe(was), describe(is)),
        };
        let why = self.no_diff.map(|why| format!("; content {why}")).unwrap_or_default();
        let mut lines = vec![format!("{}: {head}{why}", self.path)];
        lines.extend(self.diff.iter().cloned());
        lines
    }
}

fn mode(meta: &Meta) -> String {
    meta.mode.to_string()
}

fn owner(meta: &Meta) -> String {
    format!("{}:{}", meta.uid, meta.gid)
}

fn from_to<T>(old: &T, new: &T, show: &dyn Fn(&T) -> String) -> String {
    let (old, new) = (show(old), show(new));
    if old == new { old } else { format!("{old} → {new}") }
}

fn describe(node: &Node) -> String {
    match node {
        Node::File { content, meta } => {
            format!("a file of {} bytes, mode {}, owner {}", content.size, mode(meta), owner(meta))
        }
        Node::Link { target, .. } => format!("a symbolic link to `{target}`"),
        Node::Dir { .. } => "a directory".to_owned(),
        Node::Special => "a device, socket or pipe".to_owned(),
    }
}
