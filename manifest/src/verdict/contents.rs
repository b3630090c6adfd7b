//! What a bundle's own files say, which settles what sources disagree about.

use super::{Compiled, Findings, Listing};
use crate::Manifest;
use crate::catalog::{Catalog, DeviceId, Driver, DriverFile, Release};
use crate::driver::{DriverKind, DriverRecord};
use crate::headers::HeadersRecord;
use crate::platform::{KernelRelease, PciId};

/// What was found out by looking into the files of a bundle.
#[derive(Debug, Clone, Copy, Default)]
pub struct Contents<'b> {
    /// Its drivers.
    pub drivers: &'b [DriverRecord],
    /// Its kernel headers.
    pub headers: &'b [HeadersRecord],
}

impl<'b> From<&'b Manifest> for Contents<'b> {
    fn from(manifest: &'b Manifest) -> Self {
        Self { drivers: &manifest.drivers, headers: &manifest.headers }
    }
}

impl<'b> Contents<'b> {
    /// The release that the bundle's host driver belongs to, if there is one that the catalogue
    /// knows. Where releases share a driver, the newest is meant.
    #[must_use]
    pub fn release(self, catalog: &Catalog) -> Option<Release> {
        let mut hosts = self.drivers.iter().filter(|record| record.kind == DriverKind::Host);
        hosts
            .find_map(|record| catalog.drivers_by_host(&record.version).last())
            .map(|it| it.release)
    }

    /// The form of the file of `driver`, if the bundle has it.
    #[must_use]
    pub fn file(self, driver: &Driver) -> Option<DriverFile> {
        let record = self.record(driver)?;
        Some(if record.patches.is_empty() { DriverFile::Original } else { DriverFile::Patched })
    }

    /// What is known of `gpu` with `driver` on `kernel`.
    #[must_use]
    pub fn findings(
        self,
        driver: Option<&Driver>,
        kernel: Option<&KernelRelease>,
        gpu: PciId,
    ) -> Findings {
        let listed = driver
            .and_then(|driver| self.record(driver))
            .filter(|record| record.config.is_some())
            .map(|record| {
                let is_listed = record.gpus.contains(&DeviceId(gpu.device()));
                if is_listed { Listing::Listed } else { Listing::Omitted }
            });
        let headers = self.headers.iter().find(|record| Some(&record.kernel) == kernel);
        // Kbuild itself refuses a kernel without what vGPUs need.
        let compiled = headers.filter(|record| !record.can_host()).map(|_| Compiled::Fails);
        Findings { apicv: headers.map(|record| record.apicv), listed, compiled }
    }

    fn record(self, driver: &Driver) -> Option<&'b DriverRecord> {
        let is_it = |it: &&DriverRecord| it.kind == DriverKind::Host && it.version == driver.host;
        self.drivers.iter().find(is_it)
    }
}
