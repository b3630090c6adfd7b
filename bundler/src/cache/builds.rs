//! Libraries that were built before, by the inputs of the build.
//!
//! Only their digests are here. The content is that of the cache, where it is verified, so a note
//! that is wrong costs a build and nothing else.

use std::fs;

use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};
use vgpu_manifest::Digest;
use vgpu_manifest::unlock::GlibcVersion;

use super::{CacheError, CacheLock, incoming};

/// The result of a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BuiltBefore {
    pub(crate) sha256: Digest,
    /// The oldest glibc that can load the library.
    pub(crate) glibc: GlibcVersion,
}

impl CacheLock<'_> {
    /// Returns the result of an earlier build with these inputs, if its content is still cached.
    pub(crate) fn built_before(&self, inputs: Digest) -> Option<BuiltBefore> {
        let text = fs::read_to_string(self.build_path(inputs)).ok()?;
        let built: BuiltBefore = serde_json::from_str(&text).ok()?;
        self.cache.has(built.sha256).then_some(built)
    }

    /// Records the result of a build.
    pub(crate) fn record_build(
        &self,
        inputs: Digest,
        built: BuiltBefore,
    ) -> Result<(), CacheError> {
        let path = self.build_path(inputs);
        let folder = self.cache.dir.join("incoming");
        // Digests and versions always have a JSON form.
        let text = serde_json::to_vec(&built).unwrap_or_default();
        incoming::put(&path, &folder, &text).map_err(CacheError::io("write", &path))
    }

    fn build_path(&self, inputs: Digest) -> Utf8PathBuf {
        self.cache.dir.join("builds").join(inputs.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::tests::{add, scratch};

    #[test]
    fn a_build_counts_while_its_result_is_there() {
        let (_dir, cache) = scratch();
        let [inputs, other] = [b"inputs", b"others"].map(|it| Digest::of(it));
        let sha256 = add(&cache, b"a library");
        let lock = cache.lock(|_| {}).unwrap();
        let built = BuiltBefore { sha256, glibc: "2.31".parse().unwrap() };
        assert_eq!(lock.built_before(inputs), None);
        lock.record_build(inputs, built).unwrap();
        assert_eq!((lock.built_before(inputs), lock.built_before(other)), (Some(built), None));
        fs::write(lock.build_path(inputs), "{").unwrap();
        assert_eq!(lock.built_before(inputs), None);
        lock.record_build(inputs, built).unwrap();
        fs::remove_file(lock.cache.path(sha256)).unwrap();
        assert_eq!(lock.built_before(inputs), None);
    }
}
