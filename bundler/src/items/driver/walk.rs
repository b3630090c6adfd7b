use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};

use anyhow::bail;
use tar::EntryType;
use vgpu_manifest::driver::PatchedFile;
use vgpu_manifest::patch::{ApplyError, ApplyFault, Change, FilePatch, Patch, TreePath};
use vgpu_manifest::ui::ByteSize;

use super::damaged;
use super::payload::Payload;

/// The limit of files in a payload. Known drivers have 1,200.
const MAX_FILES: usize = 100_000;

/// The size limit of a path, and of an extended header, in bytes.
const MAX_RECORD: u64 = 64 << 10;

/// The size limit of `vgpuConfig.xml`. Known ones have about 2 MB.
const MAX_CONFIG: u64 = 16 << 20;

const CONFIG: &str = "vgpuConfig.xml";
const HOST_MARKER: &str = "is_vgpu_host_package.txt";

/// The findings in a payload.
#[derive(Debug, Default)]
pub(super) struct Walked {
    /// Whether the payload declares a host package.
    pub(super) is_marked_host: bool,
    /// The content of `vgpuConfig.xml`.
    pub(super) config: Option<Vec<u8>>,
    /// The changes of each patch.
    pub(super) proofs: Vec<Proof>,
}

/// The files that a patch changes, in its order.
pub(crate) type Proof = Vec<PatchedFile>;

/// Reads the whole payload, and applies the patches to the files in it.
pub(super) fn walk(payload: Payload<'_>, patches: &[Patch]) -> anyhow::Result<Walked> {
    check_apart(patches)?;
    let mut walk = Walk { patches, changed: BTreeMap::new(), seen: BTreeSet::new() };
    let mut walked = Walked::default();
    let mut archive = tar::Archive::new(payload);
    let mut long_name = None;
    let entries = archive.entries().map_err(damaged)?.raw(true);
    for (count, entry) in entries.enumerate() {
        let mut entry = entry.map_err(damaged)?;
        if count == MAX_FILES {
            bail!("the payload of the driver has more than the {MAX_FILES} files allowed");
        }
        let kind = entry.header().entry_type();
        match record(kind, &mut entry)? {
            Record::Name(name) => long_name = Some(name),
            Record::Other => {}
            Record::File => {
                let own = entry.path_bytes().into_owned();
                if let Some(at) = path(&long_name.take().unwrap_or(own)) {
                    walk.file(&at, kind, &mut entry, &mut walked)?;
                }
            }
        }
    }
    archive.into_inner().drain()?;
    walked.proofs = walk.finish()?;
    Ok(walked)
}

/// Checks that no two patches change the same file: the second would have to be made for the result
/// of the first, and such patches do not exist.
fn check_apart(patches: &[Patch]) -> anyhow::Result<()> {
    let mut seen = BTreeSet::new();
    let paths = patches.iter().flat_map(|patch| patch.files().iter().map(FilePatch::path));
    for path in paths {
        if !seen.insert(path) {
            bail!("two patches change `{path}`");
        }
    }
    Ok(())
}

/// An entry of an archive.
enum Record {
    /// A file or another named object.
    File,
    /// The long name of the next entry.
    Name(Vec<u8>),
    /// Other metadata of the next entry.
    Other,
}

/// Classifies an entry. Metadata is read here, because this program limits its size.
fn record(kind: EntryType, entry: &mut dyn Read) -> anyhow::Result<Record> {
    if !matches!(
        kind,
        EntryType::GNULongName
            | EntryType::GNULongLink
            | EntryType::XHeader
            | EntryType::XGlobalHeader
    ) {
        return Ok(Record::File);
    }
    let mut bytes = Vec::new();
    entry.take(MAX_RECORD).read_to_end(&mut bytes).map_err(damaged)?;
    let name = match kind {
        EntryType::GNULongName => Some(bytes),
        EntryType::XHeader => tar::PaxExtensions::new(&bytes)
            .filter_map(Result::ok)
            .find(|record| record.key_bytes() == b"path")
            .map(|record| record.value_bytes().to_vec()),
        _ => None,
    };
    Ok(name.map_or(Record::Other, Record::Name))
}

/// Returns a path as patches spell it; `None` for the root, and for paths that no patch can name.
fn path(bytes: &[u8]) -> Option<TreePath> {
    let text = std::str::from_utf8(bytes).ok()?.trim_end_matches('\0');
    let mut text = text.trim_end_matches('/');
    while let Some(rest) = text.strip_prefix("./") {
        text = rest;
    }
    text.parse().ok()
}

struct Walk<'p> {
    patches: &'p [Patch],
    changed: BTreeMap<TreePath, PatchedFile>,
    /// The relevant files seen so far.
    seen: BTreeSet<TreePath>,
}

impl Walk<'_> {
    /// Handles the next file.
    fn file(
        &mut self,
        at: &TreePath,
        kind: EntryType,
        content: &mut dyn Read,
        walked: &mut Walked,
    ) -> anyhow::Result<()> {
        let patch = self.patches.iter().find_map(|patch| patch.file(at));
        let is_known = matches!(at.as_str(), CONFIG | HOST_MARKER);
        if patch.is_none() && !is_known {
            return Ok(());
        }
        if !matches!(kind, EntryType::Regular | EntryType::Continuous) {
            bail!("`{at}` in the driver is not a regular file");
        }
        if !self.seen.insert(at.clone()) {
            bail!("the driver has `{at}` twice");
        }
        walked.is_marked_host |= at.as_str() == HOST_MARKER;
        let mut kept = Vec::new();
        let mut content: Box<dyn Read> = if at.as_str() == CONFIG {
            content.take(MAX_CONFIG + 1).read_to_end(&mut kept).map_err(damaged)?;
            if kept.len() as u64 > MAX_CONFIG {
                bail!("`{CONFIG}` in the driver has more than {}", ByteSize::new(MAX_CONFIG));
            }
            Box::new(io::Cursor::new(kept.clone()))
        } else {
            Box::new(content)
        };
        if let Some(patch) = patch {
            let applied = patch.apply(Some(&mut content), &mut io::sink());
            let applied = applied.map_err(|error| match error.fault {
                ApplyFault::Read(error) => damaged(error),
                fault => ApplyError { path: error.path, fault }.into(),
            })?;
            let (before, after) = (applied.before, applied.after);
            self.changed.insert(at.clone(), PatchedFile { path: at.clone(), before, after });
        }
        if at.as_str() == CONFIG {
            walked.config = Some(kept);
        }
        Ok(())
    }

    /// Returns the changes of the patches, after the last file.
    fn finish(mut self) -> anyhow::Result<Vec<Proof>> {
        let mut proofs = Vec::new();
        for patch in self.patches {
            let mut proof = Proof::new();
            for file in patch.files() {
                let path = file.path().clone();
                let changed = match (self.changed.remove(&path), file.change()) {
                    (Some(changed), _) => changed,
                    (None, Change::Created) => {
                        let applied = file.apply(None, &mut io::sink())?;
                        PatchedFile { path, before: applied.before, after: applied.after }
                    }
                    (None, _) => {
                        return Err(ApplyError { path, fault: ApplyFault::Missing }.into());
                    }
                };
                proof.push(changed);
            }
            proofs.push(proof);
        }
        Ok(proofs)
    }
}
