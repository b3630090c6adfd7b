//! A file, directory or link of a node.

use std::fmt;

use serde::Deserialize;
use vgpu_manifest::ui::ByteSize;

/// The file, directory or link at a path.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(crate) enum Entry {
    File {
        content: Content,
        meta: Meta,
    },
    Dir {
        meta: Meta,
    },
    Link {
        target: String,
        uid: u32,
        gid: u32,
    },
    /// A device, socket or pipe.
    Special,
}

/// The identity of a file's bytes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Content {
    /// `sha256-` and the digest, or `tree-` and the digest of its chunks.
    pub(crate) id: String,
    /// In bytes.
    pub(crate) size: u64,
}

/// Permissions and owner.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Meta {
    mode: String,
    uid: u32,
    gid: u32,
}

impl fmt::Display for Meta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mode, uid, gid } = self;
        write!(f, "mode {mode}, owner {uid}:{gid}")
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { content, meta } => {
                write!(f, "file, {}, {meta}", ByteSize::new(content.size))
            }
            Self::Dir { meta } => write!(f, "directory, {meta}"),
            Self::Link { target, uid, gid } => write!(f, "link to {target}, owner {uid}:{gid}"),
            Self::Special => f.write_str("device, socket or pipe"),
        }
    }
}

impl Entry {
    /// Returns the identity of its bytes, if it is a file.
    pub(crate) fn id(&self) -> Option<&str> {
        match self {
            Self::File { content, .. } => Some(&content.id),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_every_kind_are_described() {
        let meta = r#""meta":{"mode":"0644","uid":0,"gid":33,"xattrs":{}}"#;
        for (json, expected) in [
            (
                format!(r#"{{"kind":"file","content":{{"id":"sha256-0","size":10}},{meta}}}"#),
                "file, 10 B, mode 0644, owner 0:33",
            ),
            (format!(r#"{{"kind":"dir",{meta}}}"#), "directory, mode 0644, owner 0:33"),
            (
                r#"{"kind":"link","target":"/a","uid":0,"gid":0}"#.to_owned(),
                "link to /a, owner 0:0",
            ),
            (r#"{"kind":"special"}"#.to_owned(), "device, socket or pipe"),
        ] {
            let entry: Entry = serde_json::from_str(&json).unwrap();
            assert_eq!(entry.to_string(), expected);
        }
    }
}
