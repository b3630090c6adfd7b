//! Facts from a bundle's own files, which settle questions on which sources disagree.

use super::{Compiled, Findings, Listing};
use crate::catalog::{Catalog, DeviceId, Driver, DriverFile, Release};
use crate::driver::{DriverKind, DriverRecord, Proof};
use crate::headers::HeadersRecord;
use crate::platform::{KernelRelease, PciId};
use crate::{ItemName, Kind, Manifest};

/// The records of a bundle that a verdict uses.
#[derive(Debug, Clone, Default)]
pub struct Contents<'b> {
    drivers: Vec<(&'b DriverRecord, DriverFile)>,
    headers: Vec<&'b HeadersRecord>,
    proofs: &'b [Proof],
}

impl<'b> From<&'b Manifest> for Contents<'b> {
    fn from(manifest: &'b Manifest) -> Self {
        Self::of(manifest.kinds()).with_proofs(&manifest.proofs)
    }
}

impl<'b> Contents<'b> {
    /// Returns the facts from these items.
    #[must_use]
    pub fn of(items: impl Iterator<Item = (&'b ItemName, &'b Kind)> + Clone) -> Self {
        let file = |name: &ItemName| {
            let is_patched = items.clone().any(|(_, kind)| kind.patch_of(name).is_some());
            if is_patched { DriverFile::Patched } else { DriverFile::Original }
        };
        let drivers = items.clone().filter_map(|(name, kind)| Some((kind.driver()?, file(name))));
        let drivers = drivers.collect();
        let headers = items.filter_map(|(_, kind)| kind.headers()).collect();
        Self { drivers, headers, proofs: &[] }
    }

    /// Adds the host drivers of the bundle to the catalog that are newer than it. `stated` is the
    /// release that the bundle declares for them.
    pub fn admit_to(&self, catalog: &mut Catalog, stated: Option<Release>) {
        for (record, _) in &self.drivers {
            if record.kind == DriverKind::Host {
                catalog.admit(&record.version, stated);
            }
        }
    }

    /// Adds the record of headers that are installed on the node. It takes precedence.
    #[must_use]
    pub fn with_headers(mut self, record: &'b HeadersRecord) -> Self {
        self.headers.insert(0, record);
        self
    }

    /// Adds the builds of the host driver's modules.
    #[must_use]
    pub fn with_proofs(self, proofs: &'b [Proof]) -> Self {
        Self { proofs, ..self }
    }

    /// Returns the build of the modules of `driver` for a kernel, if there is one.
    #[must_use]
    pub fn proof(&self, driver: &Driver, kernel: &KernelRelease) -> Option<&'b Proof> {
        self.host(driver)?;
        self.proofs.iter().find(|proof| proof.driver == driver.host && proof.kernel == *kernel)
    }

    /// Returns the release of the bundle's host driver, if there is one in the catalog. Where
    /// releases share a driver, returns the newest.
    #[must_use]
    pub fn release(&self, catalog: &Catalog) -> Option<Release> {
        let mut hosts = self.drivers.iter().filter(|(it, _)| it.kind == DriverKind::Host);
        hosts
            .find_map(|(record, _)| catalog.drivers_by_host(&record.version).last())
            .map(|it| it.release)
    }

    /// Returns the form of the file of `driver`, if the bundle has it.
    #[must_use]
    pub fn file(&self, driver: &Driver) -> Option<DriverFile> {
        self.host(driver).map(|(_, file)| file)
    }

    /// Returns the facts about `gpu` with `driver` on `kernel`.
    #[must_use]
    pub fn findings(
        &self,
        driver: Option<&Driver>,
        kernel: Option<&KernelRelease>,
        gpu: PciId,
    ) -> Findings {
        let listed = driver
            .and_then(|driver| self.host(driver))
            .filter(|(record, _)| record.config.is_some())
            .map(|(record, _)| {
                let is_listed = record.gpus.contains(&DeviceId(gpu.device()));
                if is_listed { Listing::Listed } else { Listing::Omitted }
            });
        let headers = self.headers.iter().find(|record| Some(&record.kernel) == kernel);
        let proof = driver.zip(kernel).and_then(|(driver, kernel)| self.proof(driver, kernel));
        // NVIDIA's Kbuild files refuse a kernel without the VFIO options.
        let fails = headers.filter(|record| !record.can_host()).map(|_| Compiled::Fails);
        let compiled = proof.map(|_| Compiled::Compiles).or(fails);
        Findings { apicv: headers.map(|record| record.apicv), listed, compiled }
    }

    fn host(&self, driver: &Driver) -> Option<(&'b DriverRecord, DriverFile)> {
        let mut hosts = self.drivers.iter().filter(|(it, _)| it.kind == DriverKind::Host);
        hosts.find(|(it, _)| it.version == driver.host).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Digest;
    use crate::catalog::Rule;
    use crate::driver::{PatchRecord, Variant};
    use crate::headers::VfioOption;
    use crate::verdict::{Export, Targets};

    const KERNEL: &str = "6.8.12-43-pve";

    fn driver(version: &str, gpus: &[u16]) -> DriverRecord {
        DriverRecord {
            version: version.parse().unwrap(),
            kind: DriverKind::Host,
            variant: Variant::Original,
            config: Some(Digest::of(b"config")),
            gpus: gpus.iter().copied().map(DeviceId).collect(),
            archive: None,
            package: None,
        }
    }

    fn drivers(drivers: &[DriverRecord]) -> Contents<'_> {
        let known = drivers.iter().map(|record| (record, DriverFile::Original));
        Contents { drivers: known.collect(), ..Contents::default() }
    }

    fn headers(apicv: Export, vfio: &[VfioOption]) -> HeadersRecord {
        HeadersRecord {
            kernel: KERNEL.parse().unwrap(),
            apicv,
            vfio: vfio.iter().copied().collect(),
        }
    }

    fn against(gpu: &str, driver: &str, contents: &Contents<'_>) -> Vec<Rule> {
        let targets = format!("gpu = ['{gpu}']\ndriver = '{driver}'\nkernel = '{KERNEL}'\n");
        let targets: Targets = toml::from_str(&targets).unwrap();
        targets.judge(&Catalog::embedded(), contents).against().into_iter().collect()
    }

    #[test]
    fn a_driver_that_is_there_unpatched_unlocks_nothing() {
        let found = [driver("535.230.02", &[0x1eb8])];
        let contents = drivers(&found);
        assert_eq!(contents.release(&Catalog::embedded()).unwrap().to_string(), "16.9");
        assert_eq!(against("10de:1e07", "16.9", &Contents::default()), []);
        assert_eq!(against("10de:1e07", "16.9", &contents), [Rule::NeedsPatch]);
        assert_eq!(against("10de:1eb8", "16.9", &contents), []);
        let host: ItemName = "driver.run".parse().unwrap();
        let (of_host, of_other) =
            (PatchRecord { driver: host.clone(), files: Vec::new() }, "other");
        let of_other = PatchRecord { driver: of_other.parse().unwrap(), files: Vec::new() };
        let kind = Kind::Driver(found[0].clone());
        for (patch, expected) in [(of_host, vec![]), (of_other, vec![Rule::NeedsPatch])] {
            let items =
                [(host.clone(), kind.clone()), ("a.patch".parse().unwrap(), Kind::Patch(patch))];
            let patched = Contents::of(items.iter().map(|(name, kind)| (name, kind)));
            assert_eq!(against("10de:1e07", "16.9", &patched), expected);
        }
        // Facts about one driver do not apply to another.
        assert_eq!(against("10de:1e07", "17.6", &contents), []);
    }

    #[test]
    fn what_the_driver_lists_is_native_and_nothing_else_is() {
        let found = [driver("570.172.07", &[0x26b9])];
        let contents = drivers(&found);
        assert_eq!(against("10de:26b9", "18.4", &contents), []);
        assert!(!against("10de:2235", "18.4", &contents).is_empty());
        assert_eq!(against("10de:2235", "18.4", &Contents::default()), []);
    }

    #[test]
    fn headers_apply_to_their_kernel_only() {
        let all = [VfioOption::IommuType1, VfioOption::KvmVfio, VfioOption::PciCore];
        let judged = |record: HeadersRecord| {
            let contents = Contents { headers: vec![&record], ..Contents::default() };
            against("10de:1e07", "16.9", &contents)
        };
        assert_eq!(judged(headers(Export::Exported, &all)), []);
        assert_eq!(judged(headers(Export::Missing, &all)), [Rule::Apicv]);
        assert_eq!(judged(headers(Export::Exported, &all[1..])), [Rule::Build]);
        // Headers on the node go before those of the bundle.
        let (bundled, installed) =
            (headers(Export::Missing, &all), headers(Export::Exported, &all));
        let contents = Contents { headers: vec![&bundled], ..Contents::default() };
        assert_eq!(against("10de:1e07", "16.9", &contents.with_headers(&installed)), []);
        let other = "6.14.11-9-bpo12-pve".parse().unwrap();
        let record = HeadersRecord { kernel: other, ..headers(Export::Missing, &[]) };
        assert_eq!(judged(record), []);
    }

    #[test]
    fn a_build_settles_the_question_for_its_driver_and_kernel() {
        use crate::driver::{BuiltModule, ModuleSignature};
        use crate::verdict::Compiled;

        let catalog = Catalog::embedded();
        let found = [driver("535.230.02", &[0x1eb8])];
        let kernel: KernelRelease = KERNEL.parse().unwrap();
        let module = BuiltModule {
            name: "nvidia".parse().unwrap(),
            sha256: Digest::of(b"module"),
            signature: ModuleSignature::Unsigned,
        };
        let proof = Proof {
            kernel: kernel.clone(),
            driver: "535.230.02".parse().unwrap(),
            inputs: Digest::of(b""),
            compiler: "gcc".parse().unwrap(),
            log: Digest::of(b""),
            modules: vec![module],
        };
        let proofs = [proof];
        let contents = drivers(&found).with_proofs(&proofs);
        let compiled = |release: &str, kernel: &KernelRelease| {
            let driver = catalog.driver(release.parse().unwrap());
            contents.findings(driver, Some(kernel), "10de:1eb8".parse().unwrap()).compiled
        };
        assert_eq!(compiled("16.9", &kernel), Some(Compiled::Compiles));
        assert_eq!(compiled("16.9", &"6.8.12-44-pve".parse().unwrap()), None);
        assert_eq!(compiled("17.6", &kernel), None);
    }

    #[test]
    fn a_kernel_from_before_the_export_is_not_refused_for_it() {
        let all = [VfioOption::IommuType1, VfioOption::KvmVfio, VfioOption::PciCore];
        let kernel = "5.10.0-46-amd64";
        let record =
            HeadersRecord { kernel: kernel.parse().unwrap(), ..headers(Export::Missing, &all) };
        let contents = Contents { headers: vec![&record], ..Contents::default() };
        let targets = format!("gpu = ['10de:1eb8']\ndriver = '17.5'\nkernel = '{kernel}'\n");
        let targets: Targets = toml::from_str(&targets).unwrap();
        assert!(targets.judge(&Catalog::embedded(), &contents).against().is_empty());
    }
}
