//! The requirements of guests other than the server's address, by branch, from the catalog.

use std::collections::BTreeMap;

use vgpu_manifest::catalog::{Catalog, GuestRoot};
use vgpu_manifest::{Kind, Manifest};

/// Returns one line for each branch of the bundle's host and guest drivers.
#[must_use]
pub(crate) fn lines(catalog: &Catalog, manifest: &Manifest) -> Vec<String> {
    let mut roots = BTreeMap::new();
    for (_, record) in manifest.records(Kind::driver) {
        let version = &record.version;
        let is_of = |it: &&vgpu_manifest::catalog::Driver| {
            [&it.host, &it.linux_guest, &it.windows_guest].contains(&version)
        };
        let newer = catalog.drivers_by_host(version).filter(|driver| driver.newer);
        let known = catalog.drivers().iter().filter(is_of).chain(newer);
        let releases = known.map(|driver| driver.release);
        let branches = releases.filter_map(|release| catalog.branch(release));
        roots.extend(branches.map(|branch| (branch.major, branch.guest_root)));
    }
    roots.into_iter().map(|(major, root)| line(major, root)).collect()
}

fn line(major: u8, root: GuestRoot) -> String {
    match root {
        GuestRoot::NotNeeded => format!("guests of {major}.x have no further requirements"),
        GuestRoot::Needed => format!(
            "guests of {major}.x verify the license server's certificates: for a third-party server, its \
             root must be added to each guest driver, which vgpu-installer does not do"
        ),
        GuestRoot::Presumed => format!(
            "guests of {major}.x probably verify the license server's certificates; no test has \
             confirmed it"
        ),
    }
}

#[cfg(test)]
mod tests {
    use vgpu_manifest::driver::{DriverKind, DriverRecord, Variant};

    use super::*;
    use crate::plan::tests::planner::item_of;

    #[test]
    fn each_branch_of_a_bundles_drivers_has_its_line() {
        let catalog = Catalog::embedded();
        let mut manifest = crate::license::choice::tests::bundle(&[]);
        assert_eq!(lines(&catalog, &manifest), Vec::<String>::new());
        // Host and guest drivers of 16.9, a guest driver of 18.4, a host driver of 20.0, and an
        // unknown version.
        for version in ["535.230.02", "539.19", "570.172.08", "595.58.02", "1.2.3"] {
            let driver = DriverRecord {
                version: version.parse().unwrap(),
                kind: DriverKind::Guest,
                variant: Variant::Original,
                config: None,
                gpus: Vec::new(),
                archive: None,
                package: None,
            };
            manifest.items.push(item_of(&format!("driver/{version}"), Kind::Driver(driver)));
        }
        let lines = lines(&catalog, &manifest);
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert_eq!(lines[0], "guests of 16.x have no further requirements");
        assert!(lines[1].starts_with("guests of 18.x verify the license server's certificates"));
        assert!(lines[2].starts_with("guests of 20.x probably verify"), "{lines:?}");
    }
}
