use vgpu_manifest::database::{self, DriverConfig};
use vgpu_manifest::{CatalogRecord, Kind};

use super::{Expected, Pin, SourceError, Sources};
use crate::cache::CacheError;

impl Sources<'_> {
    /// Writes the catalog, with data of the bundle's drivers, as a SQLite file.
    pub(crate) fn catalog(
        &self,
        configs: &[DriverConfig],
        want: Expected<'_>,
    ) -> Result<Pin, SourceError> {
        let catalog = |pin| Pin { kind: Kind::Catalog(CatalogRecord {}), ..pin };
        if let Some(pin) = self.cached(want)? {
            return Ok(catalog(pin));
        }
        let item = || want.name.clone();
        let bytes = database::write(&self.catalog.catalog, configs)
            .map_err(|source| SourceError::Catalog { item: item(), source })?;
        let cache_error = |source| match source {
            CacheError::Mismatch(_) => SourceError::OtherCatalog { item: item(), source },
            source => SourceError::Cache { item: item(), source },
        };
        let mut incoming = self.fetcher.cache.incoming().map_err(cache_error)?;
        incoming.add(&bytes).map_err(cache_error)?;
        let measured = incoming.finish(want.sha256).map_err(cache_error)?;
        Ok(catalog(Pin::plain(&measured)))
    }
}
