use vgpu_manifest::{Kind, Tree};

use super::{SourceError, Sources};
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
    ) -> Result<Pin, SourceError> {
        let item = || want.name.clone();
        let tree_error = |source| SourceError::Tree { item: item(), path: path.clone(), source };
        let cache_error = |source| SourceError::Cache { item: item(), source };

        let nodes = tree::scan(&path.below(self.base), exclude).map_err(tree_error)?;
        let transfer = self.fetcher.ui.transfer("pack", want.name.as_str());
        transfer.expect(Some(tree::content_size(&nodes)), 0);
        let mut incoming = self.fetcher.cache.incoming().map_err(cache_error)?;
        let unpacked = tree::pack(nodes, &mut incoming, &|n| transfer.advance(n as u64))
            .map_err(tree_error)?;
        if incoming.len() > want.cap.bytes() {
            return Err(tree_error(tree::too_large(incoming.len())));
        }
        let measured = incoming.finish(want.sha256).map_err(|source| match source {
            CacheError::Mismatch(_) => {
                SourceError::Changed { item: item(), path: path.clone(), source }
            }
            source => SourceError::Cache { item: item(), source },
        })?;
        transfer.done(measured.size);
        let tree = Tree { unpacked, window_log: tree::WINDOW_LOG };
        Ok(Pin { kind: Kind::Tree(tree), ..Pin::plain(&measured) })
    }
}
