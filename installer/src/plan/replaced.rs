//! The files that a plan replaces, removes and creates, for its reviewer.

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
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Replaced {
    path: HostPath,
    was: Node,
    /// The new node; `None` if it is removed.
    becomes: Option<Node>,
    #[serde(flatten)]
    texts: Texts,
}

/// A new file or link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Created {
    path: HostPath,
    becomes: Node,
    #[serde(flatten)]
    texts: Texts,
}

/// The difference between the texts of two files.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
struct Texts {
    /// The lines of a unified diff, if both are text that everyone may read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    diff: Vec<String>,
    /// The reason why there is no diff.
    #[serde(skip_serializing_if = "Option::is_none")]
    no_diff: Option<&'static str>,
}

/// The files and links that a plan replaces, removes and creates.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Files {
    pub(crate) replaced: Vec<Replaced>,
    pub(crate) created: Vec<Created>,
}

/// The sources of texts.
struct Sources<'s> {
    rehearsal: &'s Rehearsal,
    look: &'s dyn Look,
    item: &'s dyn Fn(Content) -> Option<Vec<u8>>,
}

impl Files {
    /// Returns the files and links of a plan. `item` returns the bytes of a content that comes from
    /// the bundle.
    pub(crate) fn of(
        rehearsal: &Rehearsal,
        look: &dyn Look,
        item: &dyn Fn(Content) -> Option<Vec<u8>>,
    ) -> Result<Self, HostError> {
        // The first state and the last one.
        let mut ends: BTreeMap<&HostPath, (Option<&Node>, Option<&Node>)> = BTreeMap::new();
        for change in &rehearsal.changes {
            if let Change::Put { path, before, after, .. } = change {
                ends.entry(path).or_insert((before.as_ref(), None)).1 = after.as_ref();
            }
        }
        let sources = Sources { rehearsal, look, item };
        let mut files = Self::default();
        for (path, ends) in ends {
            let path = path.clone();
            match ends {
                (Some(Node::Dir { .. }), _) | (None, Some(Node::Dir { .. }) | None) => {}
                (Some(was), becomes) => {
                    let texts = sources.compare(&path, Some(was), becomes)?;
                    let (was, becomes) = (was.clone(), becomes.cloned());
                    files.replaced.push(Replaced { path, was, becomes, texts });
                }
                (None, Some(becomes)) => {
                    let texts = sources.compare(&path, None, Some(becomes))?;
                    files.created.push(Created { path, becomes: becomes.clone(), texts });
                }
            }
        }
        Ok(files)
    }
}

impl Sources<'_> {
    /// Compares the texts of a file, or returns the reason why they are not compared.
    fn compare(
        &self,
        path: &HostPath,
        was: Option<&Node>,
        becomes: Option<&Node>,
    ) -> Result<Texts, HostError> {
        let no_diff = |why| Ok(Texts { no_diff: Some(why), ..Texts::default() });
        let (old, Some(Node::File { content: new, meta })) = (was, becomes) else {
            return Ok(Texts::default());
        };
        let old = match old {
            None => None,
            Some(Node::File { content, .. }) if content == new => return Ok(Texts::default()),
            Some(Node::File { content, meta }) => Some((content, meta)),
            Some(_) => return Ok(Texts::default()),
        };
        let metas = old.iter().map(|(_, meta)| *meta).chain([meta]);
        if metas.into_iter().any(|meta| !meta.mode.is_for_everyone()) {
            return no_diff("not shown: not everyone may read it");
        }
        let contents = old.iter().map(|(content, _)| *content).chain([new]);
        if contents.into_iter().any(|content| content.size > MAX_TEXT) {
            return no_diff("not shown: larger than 64 KiB");
        }
        let new = match self.rehearsal.texts.get(path) {
            Some(bytes) => Some(bytes.clone()),
            None => (self.item)(*new),
        };
        let text = |bytes: Option<Vec<u8>>| {
            let text = String::from_utf8(bytes.unwrap_or_default()).ok()?;
            let is_text = |c: char| !c.is_control() || matches!(c, '\n' | '\t' | '\r');
            text.chars().all(is_text).then_some(text)
        };
        let old = match old {
            Some(_) => text(self.look.read_up_to(path, MAX_TEXT)?),
            None => Some(String::new()),
        };
        match (old, text(new)) {
            (Some(old), Some(new)) => Ok(Texts { diff: unified(&old, &new), no_diff: None }),
            _ => no_diff("not shown: not text"),
        }
    }
}

impl Replaced {
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
        let why = self.texts.no_diff.map(|why| format!("; content {why}")).unwrap_or_default();
        let mut lines = vec![format!("{}: {head}{why}", self.path)];
        lines.extend(self.texts.diff.iter().cloned());
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
