//! Facts from a bundle's own files, which settle questions on which sources disagree.

use super::{Compiled, Findings, Listing};
use crate::Manifest;
use crate::catalog::{Catalog, DeviceId, Driver, DriverFile, Release};
use crate::driver::{DriverKind, DriverRecord};
use crate::headers::HeadersRecord;
use crate::platform::{KernelRelease, PciId};

/// The records of a bundle that a verdict uses.
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
    /// Returns the release of the bundle's host driver, if the catalog has it: of several releases
    /// with the same driver, the newest.
    #[must_use]
    pub fn release(self, catalog: &Catalog) -> Option<Release> {
        let mut hosts = self.drivers.iter().filter(|record| record.kind == DriverKind::Host);
        hosts
            .find_map(|record| catalog.drivers_by_host(&record.version).last())
            .map(|it| it.release)
    }

    /// Returns the form of the file of `driver`, if the bundle has it.
    #[must_use]
    pub fn file(self, driver: &Driver) -> Option<DriverFile> {
        let record = self.record(driver)?;
        Some(if record.patches.is_empty() { DriverFile::Original } else { DriverFile::Patched })
    }

    /// Returns the facts about `gpu` with `driver` on `kernel`.
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
        // NVIDIA's Kbuild files refuse a kernel without the VFIO options.
        let compiled = headers.filter(|record| !record.can_host()).map(|_| Compiled::Fails);
        Findings { apicv: headers.map(|record| record.apicv), listed, compiled }
    }

    fn record(self, driver: &Driver) -> Option<&'b DriverRecord> {
        let is_it = |it: &&DriverRecord| it.kind == DriverKind::Host && it.version == driver.host;
        self.drivers.iter().find(is_it)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Digest;
    use crate::catalog::Rule;
    use crate::headers::VfioOption;
    use crate::verdict::{Export, Targets};

    const KERNEL: &str = "6.8.12-43-pve";

    fn driver(version: &str, gpus: &[u16]) -> DriverRecord {
        DriverRecord {
            item: "driver.run".parse().unwrap(),
            version: version.parse().unwrap(),
            kind: DriverKind::Host,
            config: Some(Digest::of(b"config")),
            gpus: gpus.iter().copied().map(DeviceId).collect(),
            archive: None,
            package: None,
            patches: Vec::new(),
        }
    }

    fn headers(apicv: Export, vfio: &[VfioOption]) -> HeadersRecord {
        HeadersRecord {
            item: "headers.deb".parse().unwrap(),
            kernel: KERNEL.parse().unwrap(),
            apicv,
            vfio: vfio.iter().copied().collect(),
        }
    }

    fn against(gpu: &str, driver: &str, contents: Contents<'_>) -> Vec<Rule> {
        let targets = format!("gpu = ['{gpu}']\ndriver = '{driver}'\nkernel = '{KERNEL}'\n");
        let targets: Targets = toml::from_str(&targets).unwrap();
        targets.judge(&Catalog::embedded(), contents).against().into_iter().collect()
    }

    #[test]
    fn an_unpatched_driver_unlocks_nothing() {
        let drivers = [driver("535.230.02", &[0x1eb8])];
        let contents = Contents { drivers: &drivers, headers: &[] };
        assert_eq!(contents.release(&Catalog::embedded()).unwrap().to_string(), "16.9");
        assert_eq!(against("10de:1e07", "16.9", Contents::default()), []);
        assert_eq!(against("10de:1e07", "16.9", contents), [Rule::NeedsPatch]);
        assert_eq!(against("10de:1eb8", "16.9", contents), []);
        // The facts about one driver do not apply to another.
        assert_eq!(against("10de:1e07", "17.6", contents), []);
    }

    #[test]
    fn exactly_the_gpus_that_the_driver_lists_are_native() {
        let drivers = [driver("570.172.07", &[0x26b9])];
        let contents = Contents { drivers: &drivers, headers: &[] };
        assert_eq!(against("10de:26b9", "18.4", contents), []);
        assert!(!against("10de:2235", "18.4", contents).is_empty());
        assert_eq!(against("10de:2235", "18.4", Contents::default()), []);
    }

    #[test]
    fn headers_apply_to_their_kernel_only() {
        let all = [VfioOption::IommuType1, VfioOption::KvmVfio, VfioOption::PciCore];
        let judged = |record: HeadersRecord| {
            let headers = [record];
            against("10de:1e07", "16.9", Contents { drivers: &[], headers: &headers })
        };
        assert_eq!(judged(headers(Export::Exported, &all)), []);
        assert_eq!(judged(headers(Export::Missing, &all)), [Rule::Apicv]);
        assert_eq!(judged(headers(Export::Exported, &all[1..])), [Rule::Build]);
        let other = "6.14.11-9-bpo12-pve".parse().unwrap();
        let record = HeadersRecord { kernel: other, ..headers(Export::Missing, &[]) };
        assert_eq!(judged(record), []);
    }
}
