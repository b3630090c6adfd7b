//! Drivers that are newer than the catalog. NVIDIA publishes a release of each branch every two
//! months, and most of its properties are those of the branch.

use super::{Build, BuildRow, Catalog, Driver, DriverVersion, Release, Rule};

impl Catalog {
    /// Adds a host driver that was found in a bundle, if it belongs to a recorded branch and is
    /// newer than the recorded drivers of the branch.
    ///
    /// The release is `stated`, if that can be right, and otherwise the open one of the branch:
    /// `19.x`.
    pub fn admit(&mut self, host: &DriverVersion, stated: Option<Release>) {
        if self.drivers_by_host(host).next().is_some() {
            return;
        }
        let line = format!("R{}", host.as_str().split('.').next().unwrap_or_default());
        let branch = self.rows().branches.iter().find(|branch| branch.line == line);
        let Some(newest) = branch.and_then(|branch| self.newest(branch.major)) else { return };
        if numbers(host) <= numbers(&newest.host) {
            return;
        }
        let major = newest.release.branch();
        let can_be = |it: &Release| it.branch() == major && *it > newest.release;
        let release = stated.filter(can_be).unwrap_or(Release::newer(major));
        let driver = Driver {
            release,
            host: host.clone(),
            file: format!("NVIDIA-Linux-x86_64-{host}-vgpu-kvm.run"),
            misnamed: Vec::new(),
            md5: None,
            patch: None,
            kernels: newest.kernels.iter().map(expected).collect(),
            evidence: self.rule(Rule::NewerDriver).to_vec(),
            newer: true,
            ..newest.clone()
        };
        self.newer.push(driver);
    }

    /// Returns the release whose recorded properties apply to a driver: its own, or the newest
    /// recorded one of its branch.
    #[must_use]
    pub fn judged_as(&self, driver: &Driver) -> Release {
        let newest = self.newest(driver.release.branch()).filter(|_| driver.newer);
        newest.unwrap_or(driver).release
    }

    fn newest(&self, branch: u8) -> Option<&Driver> {
        self.drivers().iter().rev().find(|driver| driver.release.branch() == branch)
    }
}

/// Returns what a row of the newest recorded release says of a later one. What does not build on
/// *newer* kernels may do so by now; what does not build on older ones will not.
fn expected(row: &BuildRow) -> BuildRow {
    let open = row.range.last().is_none() && row.build == Build::Fails;
    let build = if open { Build::Unproven } else { row.build };
    BuildRow { build, ..row.clone() }
}

/// Returns the numbers of a version, in order of significance.
fn numbers(version: &DriverVersion) -> Vec<u32> {
    version.as_str().split('.').filter_map(|part| part.parse().ok()).collect()
}
