//! The bill of materials of a bundle, independent of the format.

use std::collections::BTreeMap;

use vgpu_manifest::driver::{DriverKind, DriverRecord};
use vgpu_manifest::image::ImageRecord;
use vgpu_manifest::package::PackageRecord;
use vgpu_manifest::unlock::UnlockRecord;
use vgpu_manifest::{Digest, Item, ItemName, Kind, Manifest, Origin, ProgramVersion};

use super::crates::Crate;
use super::purl;

/// The bill of materials of a bundle.
#[derive(Debug)]
pub(super) struct Bom<'b> {
    pub(super) manifest: &'b Manifest,
    /// The digest of the signed root, which identifies the bundle.
    pub(super) digest: Digest,
    pub(super) components: Vec<Component<'b>>,
}

/// An item of the bundle, by its kind.
#[derive(Debug)]
pub(super) struct Component<'b> {
    pub(super) item: &'b Item,
    /// The display name.
    pub(super) name: String,
    pub(super) version: Option<String>,
    pub(super) purl: Option<String>,
    pub(super) supplier: Option<&'static str>,
    /// The address of its origin, if it has one.
    pub(super) url: Option<&'b str>,
    /// Further properties, by name.
    pub(super) notes: Vec<(&'static str, String)>,
    /// The crates whose sources it includes.
    pub(super) crates: &'b [Crate],
}

impl<'b> Bom<'b> {
    /// Returns the bill of materials of `manifest`, with the crates in its trees.
    pub(super) fn new(
        manifest: &'b Manifest,
        digest: Digest,
        crates: &'b BTreeMap<ItemName, Vec<Crate>>,
    ) -> Self {
        let components = manifest.items.iter().map(|item| {
            let mut component = Component::new(manifest, item);
            component.crates = crates.get(item.name()).map_or(&[], Vec::as_slice);
            component
        });
        Self { manifest, digest, components: components.collect() }
    }

    /// Returns the version of the program that made the bundle.
    pub(super) fn made_by(&self) -> ProgramVersion {
        self.manifest.made_by
    }

    /// Returns the time of the lock in the form of both formats.
    pub(super) fn created(&self) -> String {
        timestamp(self.manifest.created)
    }

    /// Returns the display version of the bundle.
    pub(super) fn version(&self) -> String {
        self.manifest.sequence.to_string()
    }
}

impl<'b> Component<'b> {
    fn new(manifest: &'b Manifest, item: &'b Item) -> Self {
        let url = match item.origin() {
            Origin::Url { url } => Some(url.as_str()),
            _ => None,
        };
        let plain = Self {
            item,
            name: item.name().to_string(),
            version: None,
            purl: None,
            supplier: None,
            url,
            notes: vec![("size", item.size().to_string())],
            crates: &[],
        };
        match item.kind() {
            Kind::Package(record) => plain.package(record),
            Kind::Driver(record) => plain.driver(record),
            Kind::Image(record) => plain.image(record),
            Kind::UnlockSource(record) => plain.commit(record),
            Kind::UnlockLibrary(library) => {
                let sources = manifest.item(&library.source).and_then(|it| it.kind().unlock());
                sources.into_iter().fold(plain, Self::commit)
            }
            Kind::Plain
            | Kind::Tree(_)
            | Kind::Patch(_)
            | Kind::Headers(_)
            | Kind::Catalog(_)
            | Kind::Policies(_) => plain,
        }
    }

    fn commit(mut self, record: &UnlockRecord) -> Self {
        self.version = Some(record.commit.to_string());
        self.notes.push(("commit", record.commit.to_string()));
        self
    }

    fn package(mut self, record: &PackageRecord) -> Self {
        self.name = record.name.to_string();
        self.version = Some(record.version.to_string());
        self.purl = Some(purl::deb(record));
        self.notes.push(("architecture", record.arch.to_string()));
        self.notes.push(("archive", record.archive.to_string()));
        self
    }

    fn driver(mut self, record: &DriverRecord) -> Self {
        let name = match record.kind {
            DriverKind::Host => "NVIDIA vGPU host driver",
            DriverKind::Guest => "NVIDIA vGPU guest driver for Linux",
            DriverKind::WindowsGuest => "NVIDIA vGPU guest driver for Windows",
            DriverKind::ConfigOnly => "vgpuConfig.xml of an NVIDIA vGPU host driver",
        };
        name.clone_into(&mut self.name);
        self.version = Some(record.version.to_string());
        self.supplier = Some("NVIDIA Corporation");
        self
    }

    fn image(mut self, record: &ImageRecord) -> Self {
        self.name = record.reference.to_string();
        self.version = Some(format!("sha256:{}", record.digest));
        self.purl = Some(purl::oci(record));
        let original =
            record.original.map(|digest| ("original digest", format!("sha256:{digest}")));
        self.notes.extend(original);
        self
    }
}

/// Returns a time, in seconds since 1970, in the form of both formats.
pub(super) fn timestamp(seconds: u64) -> String {
    let (year, month, day) = date(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Returns year, month and day of the `days`th day after 1970-01-01, in the Gregorian calendar.
fn date(days: u64) -> (u64, u64, u64) {
    // Counted from 0000-03-01 in eras of 400 years, so that the leap day comes last in its year.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let leaps = day_of_era / 1460 - day_of_era / 36_524 + day_of_era / 146_096;
    let year_of_era = (day_of_era - leaps) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (days, expected) in [
            (0, (1970, 1, 1)),
            (59, (1970, 3, 1)),
            (11_016, (2000, 2, 29)),
            (11_017, (2000, 3, 1)),
            (19_675, (2023, 11, 14)),
            (47_540, (2100, 2, 28)),
            (47_541, (2100, 3, 1)),
        ] {
            assert_eq!(date(days), expected, "{days}");
        }
    }
}
