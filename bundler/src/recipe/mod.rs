//! The recipe, `bundle.toml`: the contents of a bundle, written by hand.
//!
//! Items keep the order of the file, whatever their kinds.

mod apt;
mod driver;
mod git;
mod host;
mod image;
mod mirrors;
#[cfg(test)]
mod page;
mod raw;
mod unlock;

use std::io;
use std::ops::Range;

use anyhow::anyhow;
use camino::Utf8Path;
use serde::Serialize;
use vgpu_keys::Channel;
use vgpu_manifest::driver::DriverKind;
use vgpu_manifest::ui::ByteSize;
use vgpu_manifest::unlock::GlibcVersion;
use vgpu_manifest::verdict::Targets;
use vgpu_manifest::{BundleName, Digest, ItemMode, ItemName, Wants};

pub(crate) use self::apt::{Apt, Archive, Expired, Indexes, Keyring, Node};
pub(crate) use self::unlock::{FitCheck, library_for};
use crate::bounded;
use crate::types::{Expected, Origin};

/// The requested contents of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Recipe {
    pub(crate) name: BundleName,
    pub(crate) channel: Channel,
    /// The items, in the order in which they are applied.
    pub(crate) entries: Vec<Entry>,
    /// The tables of Debian packages, each of which adds items.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) apt: Vec<Apt>,
    /// The requested changes to a host.
    pub(crate) host: Wants,
    /// The machines that it is made for, if declared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) targets: Option<Targets>,
    /// The digest of the recipe as written, if this is a [settled](Self::settled) one.
    #[serde(skip)]
    written: Option<Digest>,
}

/// The item of the catalog. Recipes do not list it: every bundle has it.
pub(crate) const CATALOG: &str = "catalog.sqlite";

/// The name of a bundle whose recipe has none.
pub(crate) const NAME: &str = "vgpu";

/// The channel of a bundle whose recipe names none.
pub(crate) const CHANNEL: &str = "stable";

/// A requested item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Entry {
    pub(crate) name: ItemName,
    /// The executable flag.
    pub(crate) mode: ItemMode,
    pub(crate) origin: Origin,
    /// The expected digest. Without it, the lock pins the actual one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sha256: Option<Digest>,
    /// The size limit.
    pub(crate) max_size: ByteSize,
    #[serde(skip_serializing_if = "Role::is_plain")]
    pub(crate) role: Role,
}

/// The kind of an item, if it needs special treatment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Role {
    /// Any bytes.
    Plain,
    /// Signed policies.
    Policies,
    /// A driver, either its own file or in a portal archive.
    Driver(DriverKind),
    /// A patch of a driver.
    Patch { of: ItemName },
    /// The sources of an unlock library, with all crates.
    Unlock {
        /// The check of the sources against the driver.
        fit: FitCheck,
    },
    /// An unlock library that is built on this machine.
    Library {
        of: ItemName,
        /// The glibc version of the target hosts.
        glibc: GlibcVersion,
    },
}

impl Entry {
    /// Returns the expectations of the recipe for its bytes.
    pub(crate) fn expected(&self) -> Expected<'_> {
        let Self { name, sha256, max_size, .. } = self;
        Expected { name, sha256: *sha256, size: None, cap: *max_size }
    }
}

impl Role {
    fn is_plain(&self) -> bool {
        *self == Self::Plain
    }
}

/// An error in the text.
#[derive(Debug)]
struct Fault {
    /// The position in bytes.
    span: Range<usize>,
    what: String,
}

/// The size limit of recipes, which even thousands of items do not reach.
const MAX_LEN: u64 = 4 << 20;

impl Recipe {
    /// Returns the text of the recipe at `path`.
    pub(crate) fn read(path: &Utf8Path) -> anyhow::Result<String> {
        let error = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => {
                anyhow!("there is no recipe at `{path}`; write one, or run `vgpu-bundler init`")
            }
            _ => anyhow::Error::new(error).context(format!("cannot read the recipe `{path}`")),
        };
        bounded::read_text(path, MAX_LEN).map_err(error)
    }

    /// Parses `text` as the recipe at `path`.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn of_text(path: &Utf8Path, text: &str) -> anyhow::Result<Self> {
        Self::of_lines(path, text, |line| line)
    }

    /// Parses `text`, whose lines come from those lines of the recipe at `path`.
    pub(crate) fn of_lines(
        path: &Utf8Path,
        text: &str,
        origin: impl Fn(usize) -> usize,
    ) -> anyhow::Result<Self> {
        let base = path.parent().unwrap_or(Utf8Path::new(""));
        Self::parse_in(base, text).map_err(|Fault { span, what }| {
            let line = origin(line_of(text, span.start));
            anyhow!("`{path}` line {line}: {what}")
        })
    }

    #[cfg(test)]
    fn parse(text: &str) -> Result<Self, Fault> {
        Self::parse_in(Utf8Path::new(""), text)
    }

    fn parse_in(base: &Utf8Path, text: &str) -> Result<Self, Fault> {
        let raw: raw::Recipe = toml::from_str(text).map_err(|error| Fault {
            span: error.span().unwrap_or_default(),
            what: message(text, &error),
        })?;
        raw.check(base)
    }

    /// Returns the digest of the recipe's meaning: comments, spaces and the order of fields do not
    /// count.
    #[must_use]
    pub(crate) fn digest(&self) -> Digest {
        // Strings, numbers and lists always have a JSON form.
        self.written.unwrap_or_else(|| Digest::of(&serde_json::to_vec(self).unwrap_or_default()))
    }

    /// Returns the same recipe with open origins replaced by `settled`.
    pub(crate) fn settled<E>(
        &self,
        settled: impl Fn(&Entry) -> Result<Origin, E>,
    ) -> Result<Self, E> {
        let settle = |entry: &Entry| Ok(Entry { origin: settled(entry)?, ..entry.clone() });
        let entries = self.entries.iter().map(settle).collect::<Result<_, E>>()?;
        Ok(Self { entries, written: Some(self.digest()), ..self.clone() })
    }
}

/// Returns the message of a syntax error in one line, with the name of the field.
pub(crate) fn message(text: &str, error: &toml::de::Error) -> String {
    // A message with a list of expected values has several lines.
    let message = with_place_of_overrides(error.message().replace('\n', ", "));
    match error.span().and_then(|span| field_at(text, span.start)) {
        Some(field) if !message.contains(&format!("`{field}`")) => format!("`{field}`: {message}"),
        _ => message,
    }
}

/// Returns the key whose value is at the byte `at`.
fn field_at(text: &str, at: usize) -> Option<&str> {
    let before = text.get(..at)?;
    let line = before.get(before.rfind('\n').map_or(0, |newline| newline + 1)..)?;
    let (keys, _) = line.rsplit_once('=')?;
    let key = keys.trim_end().rsplit([' ', '\t', '{', ',', '.']).next()?;
    let is_key = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    (!key.is_empty() && key.chars().all(is_key)).then_some(key)
}

/// Returns the line of the byte `at`, from 1.
pub(crate) fn line_of(text: &str, at: usize) -> usize {
    1 + text.get(..at).unwrap_or_default().matches('\n').count()
}

/// Adds the place of overrides to an error about a pasted `profile_override.toml`.
fn with_place_of_overrides(message: String) -> String {
    let tables = ["profile", "mdev", "vm"];
    let is_pasted = |it: &&&str| message.starts_with(&format!("unknown field `{it}`"));
    match tables.iter().find(is_pasted) {
        Some(table) => format!(
            "unknown field `{table}`: overrides of vGPU types are tables `[host.overrides.{table}.…]`, or a file: `overrides = {{ path = \"profile_override.toml\" }}` in `[host]`"
        ),
        None => message,
    }
}

#[cfg(test)]
mod tests;
