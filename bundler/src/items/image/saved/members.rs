//! The members of a tar archive, by name, without unpacking it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;

use anyhow::{Context as _, anyhow, bail};
use camino::Utf8Path;
use tar::{Archive, Entry, EntryType, PaxExtensions};

use super::place::Part;

/// The most members of an archive: those of twenty images with all layers that engines mount.
const MAX_MEMBERS: usize = 16 << 10;

/// The most bytes of a header that extends another one.
const MAX_EXTENSION: u64 = 64 << 10;

/// The files of an archive.
#[derive(Debug)]
pub(in crate::items::image) struct Members {
    file: File,
    /// The position and the length of each file.
    files: BTreeMap<String, (u64, u64)>,
    /// The targets of symbolic links, which older programs write for a layer that occurs twice.
    links: BTreeMap<String, String>,
}

/// The fields of the next member that an extended header replaces.
#[derive(Debug, Clone, Copy, Default)]
struct Extension {
    name: bool,
    target: bool,
}

impl Members {
    /// Reads the headers of an archive.
    ///
    /// Names of more than 255 bytes are passed over, because no part of an image has one.
    pub(in crate::items::image) fn scan(file: File) -> anyhow::Result<Self> {
        let len = file.metadata()?.len();
        let mut members =
            Self { file: file.try_clone()?, files: BTreeMap::new(), links: BTreeMap::new() };
        let mut archive = Archive::new(file);
        let mut extension = Extension::default();
        // Raw, because otherwise a name of any length would be read into memory.
        let entries = archive.entries_with_seek().context(NO_TAR)?.raw(true);
        for (count, entry) in entries.enumerate() {
            let mut entry = entry.context(NO_TAR)?;
            if count >= MAX_MEMBERS {
                bail!("it has more than {MAX_MEMBERS} members, which no image has");
            }
            let (at, size) = (entry.raw_file_position(), entry.header().entry_size()?);
            if at.checked_add(size).is_none_or(|end| end > len) {
                bail!("it is truncated");
            }
            match entry.header().entry_type() {
                EntryType::GNULongName => extension.name = true,
                EntryType::GNULongLink => extension.target = true,
                EntryType::XHeader => extension = extension.and(&mut entry, size)?,
                EntryType::XGlobalHeader => {
                    let all = Extension::default().and(&mut entry, size)?;
                    if all.name || all.target {
                        bail!("a header of it renames all members");
                    }
                }
                kind => members.add(&entry, kind, (at, size), std::mem::take(&mut extension))?,
            }
        }
        Ok(members)
    }

    fn add(
        &mut self,
        entry: &Entry<'_, File>,
        kind: EntryType,
        place: (u64, u64),
        extended: Extension,
    ) -> anyhow::Result<()> {
        let Ok(name) = std::str::from_utf8(&entry.path_bytes()).map(plain) else { return Ok(()) };
        if extended.name {
            return Ok(());
        }
        let taken = match kind {
            EntryType::Regular => self.files.insert(name.clone(), place).is_some(),
            EntryType::Symlink if !extended.target => {
                let target = entry.link_name_bytes().unwrap_or_default();
                let target = std::str::from_utf8(&target).ok();
                let target = target.and_then(|target| beside(&name, target));
                target.is_some_and(|target| self.links.insert(name.clone(), target).is_some())
            }
            _ => false,
        };
        if taken || self.files.contains_key(&name) && self.links.contains_key(&name) {
            // Programs disagree about which one counts.
            bail!("it has `{}` twice", name.escape_debug());
        }
        Ok(())
    }

    /// Returns a file by its name, or by that of a link to it.
    pub(in crate::items::image) fn part(&self, name: &str) -> Option<Part<'_>> {
        let name = plain(name);
        let linked = || self.files.get(self.links.get(&name)?);
        let (at, left) = *self.files.get(&name).or_else(linked)?;
        let content = Box::new(Section { file: &self.file, at, left });
        Some(Part { size: left, content })
    }
}

const NO_TAR: &str = "it is not a tar archive";

impl Extension {
    /// Adds the fields of an extended header of `size` bytes.
    fn and(self, header: &mut Entry<'_, File>, size: u64) -> anyhow::Result<Self> {
        if size > MAX_EXTENSION {
            bail!("a header of it has {size} bytes, which is too much for one");
        }
        let mut bytes = Vec::new();
        header.read_to_end(&mut bytes)?;
        let mut both = self;
        for field in PaxExtensions::new(&bytes) {
            let field = field.map_err(|_| anyhow!("a header of it has a field without a value"))?;
            match field.key_bytes() {
                b"path" => both.name = true,
                b"linkpath" => both.target = true,
                // Only for members of 8 GiB and more, which no bundle can have.
                b"size" => bail!("a header of it states the size of a member twice"),
                key if key.starts_with(b"GNU.sparse.") => {
                    bail!("it has a member with holes; write it without `--sparse`")
                }
                _ => {}
            }
        }
        Ok(both)
    }
}

/// Returns a name without `./` before it.
fn plain(name: &str) -> String {
    name.strip_prefix("./").unwrap_or(name).to_owned()
}

/// Returns the name to which a link leads, if that can be in the archive.
fn beside(link: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = Utf8Path::new(link).parent()?.iter().collect();
    for part in target.split('/') {
        match part {
            "" => return None,
            "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// A part of a file, read without moving its position.
struct Section<'f> {
    file: &'f File,
    at: u64,
    left: u64,
}

impl Read for Section<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buf.len());
        let n = self.file.read_at(&mut buf[..most], self.at)?;
        (self.at, self.left) = (self.at + n as u64, self.left - n as u64);
        Ok(n)
    }
}
