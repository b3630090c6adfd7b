use anyhow::Context as _;
use camino::Utf8Path;
use vgpu_manifest::{Kind, Tree};

use super::{Sources, finish};
use crate::cache::CacheError;
use crate::items::tree;
use crate::types::{Expected, LocalPath, Pin};

impl Sources<'_> {
    /// Packs a local folder as one archive.
    ///
    /// The folder is packed even if its digest is in the cache, unless the caller can tell how to
    /// read the archive.
    pub(super) fn folder(
        &self,
        path: &LocalPath,
        exclude: &[LocalPath],
        want: Expected<'_>,
    ) -> anyhow::Result<Pin> {
        let item = want.name;
        let failed = || format!("cannot pack the folder `{path}` into item `{item}`");
        let changed = |why: &CacheError| format!("`{path}` does not match item `{item}`: {why}");
        self.pack_folder((&path.below(self.base), exclude), want, &failed, &changed)
    }

    /// Packs a folder, with these messages for a failure to pack it and for a digest mismatch.
    pub(super) fn pack_folder(
        &self,
        (folder, exclude): (&Utf8Path, &[LocalPath]),
        want: Expected<'_>,
        failed: &dyn Fn() -> String,
        changed: &dyn Fn(&CacheError) -> String,
    ) -> anyhow::Result<Pin> {
        let nodes = tree::scan(folder, exclude).with_context(failed)?;
        let transfer = self.fetcher.ui.transfer("pack", want.name.as_str());
        transfer.expect(Some(tree::content_size(&nodes)), 0);
        let mut incoming = self.incoming(want)?;
        let advance = |n: usize| transfer.advance(n as u64);
        let unpacked = tree::pack(nodes, &mut incoming, &advance).with_context(failed)?;
        if incoming.len() > want.cap.bytes() {
            return Err(tree::too_large(incoming.len()).context(failed()));
        }
        let measured = finish(incoming, want, changed)?;
        transfer.done(measured.size);
        let tree = Tree { unpacked, window_log: tree::WINDOW_LOG };
        Ok(Pin { kind: Kind::Tree(tree), ..Pin::plain(&measured) })
    }
}
