use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use vgpu_manifest::Mode;

use super::Content;

/// The file, directory or link at a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Node {
    /// A regular file.
    File {
        /// Its bytes.
        content: Content,
        /// Permissions, owner and attributes.
        meta: Meta,
    },
    /// A directory. Its entries are separate nodes.
    Dir {
        /// Permissions, owner and attributes.
        meta: Meta,
    },
    /// A symbolic link.
    Link {
        /// The target.
        target: String,
        /// The owner.
        uid: u32,
        /// The group.
        gid: u32,
    },
    /// A device, socket or pipe. The installer neither creates nor replaces one.
    Special,
}

impl Node {
    /// Returns a plain file owned by root.
    #[must_use]
    pub fn file(content: Content, mode: Mode) -> Self {
        Self::File { content, meta: Meta::root(mode) }
    }

    /// Returns a directory owned by root.
    #[must_use]
    pub fn dir(mode: Mode) -> Self {
        Self::Dir { meta: Meta::root(mode) }
    }

    /// Returns a symbolic link owned by root.
    #[must_use]
    pub fn link(target: &str) -> Self {
        Self::Link { target: target.to_owned(), uid: 0, gid: 0 }
    }

    /// Returns its kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::File { .. } => Kind::File,
            Self::Dir { .. } => Kind::Dir,
            Self::Link { .. } => Kind::Link,
            Self::Special => Kind::Special,
        }
    }

    /// Returns its content, if it is a file.
    #[must_use]
    pub fn content(&self) -> Option<Content> {
        match self {
            Self::File { content, .. } => Some(*content),
            _ => None,
        }
    }
}

/// The permissions, owner and attributes of a file or directory. Times are not part of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Meta {
    /// Permission bits.
    pub mode: Mode,
    /// The owner, by number: a static program cannot look up names.
    pub uid: u32,
    /// The group, by number.
    pub gid: u32,
    /// Extended attributes, access control lists among them.
    #[serde(default, skip_serializing_if = "Xattrs::is_empty")]
    pub xattrs: Xattrs,
}

impl Meta {
    /// Returns root as the owner, and no attributes.
    #[must_use]
    pub fn root(mode: Mode) -> Self {
        Self { mode, uid: 0, gid: 0, xattrs: Xattrs::default() }
    }
}

/// Extended attributes by name, with values in hexadecimal when stored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(into = "BTreeMap<String, String>", try_from = "BTreeMap<String, String>")]
pub struct Xattrs(pub BTreeMap<String, Vec<u8>>);

impl Xattrs {
    /// Checks whether there are no attributes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Xattrs> for BTreeMap<String, String> {
    fn from(xattrs: Xattrs) -> Self {
        let hex = |bytes: Vec<u8>| {
            bytes.iter().fold(String::new(), |mut text, byte| {
                // Writing to a `String` cannot fail.
                let _ = write!(text, "{byte:02x}");
                text
            })
        };
        xattrs.0.into_iter().map(|(name, value)| (name, hex(value))).collect()
    }
}

/// The value of a stored attribute is not hexadecimal.
#[derive(Debug, thiserror::Error)]
#[error("the value of attribute `{}` is not hexadecimal", .0.escape_debug())]
pub struct XattrError(String);

impl TryFrom<BTreeMap<String, String>> for Xattrs {
    type Error = XattrError;

    fn try_from(map: BTreeMap<String, String>) -> Result<Self, XattrError> {
        let parse = |(name, hex): (String, String)| match unhex(&hex) {
            Some(value) => Ok((name, value)),
            None => Err(XattrError(name)),
        };
        map.into_iter().map(parse).collect::<Result<_, _>>().map(Self)
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let nibble = |b: &u8| char::from(*b).to_digit(16);
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let byte = |[high, low]: &[u8; 2]| u8::try_from(nibble(high)? << 4 | nibble(low)?).ok();
    if rest.is_empty() { pairs.iter().map(byte).collect() } else { None }
}

/// The kind of a [`Node`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Dir,
    /// A symbolic link.
    Link,
    /// A device, socket or pipe.
    Special,
}

/// The status of a path, without its content.
///
/// Two equal ones at different times prove that the file has not changed in between: the kernel sets the
/// change time, and no program can set it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Stat {
    /// The kind of node.
    pub kind: Kind,
    /// The size in bytes.
    pub size: u64,
    /// The inode number.
    pub inode: u64,
    /// The change time (`ctime`), in nanoseconds since 1970.
    pub changed: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_has_one_stable_spelling() {
        let xattrs = Xattrs([("user.a".to_owned(), vec![0, 0xff])].into());
        let meta = Meta { xattrs, ..Meta::root(Mode::FILE) };
        let node = Node::File { content: Content::of(b"x"), meta };
        let json = r#"{"kind":"file","content":{"id":"sha256-2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881","size":1},"meta":{"mode":"0644","uid":0,"gid":0,"xattrs":{"user.a":"00ff"}}}"#;
        assert_eq!(serde_json::to_string(&node).unwrap(), json);
        assert_eq!(serde_json::from_str::<Node>(json).unwrap(), node);
        for bad in
            [json.replace("00ff", "00f"), json.replace("00ff", "zz"), json.replace("uid", "u")]
        {
            assert!(serde_json::from_str::<Node>(&bad).is_err(), "{bad}");
        }
    }
}
