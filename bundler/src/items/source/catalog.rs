use anyhow::Context as _;
use vgpu_manifest::database::{self, DriverConfig};
use vgpu_manifest::{CatalogRecord, Kind};

use super::{Sources, finish, uncached};
use crate::types::{Expected, Pin};

impl Sources<'_> {
    /// Writes the catalog, with data of the bundle's drivers, as a SQLite file.
    pub(crate) fn catalog(
        &self,
        configs: &[DriverConfig],
        want: Expected<'_>,
    ) -> anyhow::Result<Pin> {
        let catalog = |pin| Pin { kind: Kind::Catalog(CatalogRecord {}), ..pin };
        if let Some(pin) = self.cached(want)? {
            return Ok(catalog(pin));
        }
        let item = want.name;
        let bytes = database::write(&self.catalog.catalog, configs)
            .with_context(|| format!("cannot make item `{item}`"))?;
        let mut incoming = self.incoming(want)?;
        incoming.add(&bytes).with_context(|| uncached(item))?;
        let measured = finish(incoming, want, |_| {
            format!("item `{item}` was locked by a build of this program with another catalog")
        })?;
        Ok(catalog(Pin::plain(&measured)))
    }
}
