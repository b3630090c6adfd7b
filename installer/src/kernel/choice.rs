//! Choice of the kernel that a host must boot for a driver: a pure function of facts and catalog.

use std::collections::BTreeSet;

use vgpu_manifest::Manifest;
use vgpu_manifest::inventory::{Kernel, KernelPart, Kernels};
use vgpu_manifest::platform::KernelRelease;

/// Returns the kernels that a bundle provides.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Coming {
    images: BTreeSet<KernelRelease>,
    headers: BTreeSet<KernelRelease>,
}

impl Coming {
    /// Determined from the names of its packages: `proxmox-kernel-6.8.12-4-pve-signed`,
    /// `pve-headers-5.15.158-2-pve`.
    #[must_use]
    pub(crate) fn of(manifest: &Manifest) -> Self {
        let names =
            manifest.items.iter().filter_map(|item| Some(item.kind().package()?.name.as_str()));
        let all = |kinds: &[&str]| {
            let releases = names.clone().filter_map(|name| release(name, kinds));
            releases.collect()
        };
        Self {
            images: all(&["proxmox-kernel-", "pve-kernel-", "linux-image-"]),
            headers: all(&["proxmox-headers-", "pve-headers-", "linux-headers-"]),
        }
    }
}

/// Returns the kernel in the name of a package; `None` for a metapackage, which names a series.
fn release(name: &str, kinds: &[&str]) -> Option<KernelRelease> {
    let rest = kinds.iter().find_map(|kind| name.strip_prefix(kind))?;
    let rest = rest.strip_suffix("-signed").unwrap_or(rest);
    let release: KernelRelease = rest.parse().ok()?;
    (!release.flavour().is_empty()).then_some(release)
}

/// The required kernel changes; none by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Course {
    /// The kernel to pin.
    pub(crate) hold: Option<KernelRelease>,
    /// The kernel that must run before the driver can be built.
    pub(crate) wait_for: Option<KernelRelease>,
    /// The only kernels to build the module for, because it does not build for the newest; empty
    /// for the default, the running and the newest kernel.
    pub(crate) build_for: Vec<KernelRelease>,
}

/// Returns the kernel that the host boots by default: the pinned one, or the newest that is
/// installed or about to be.
pub(crate) fn boots_anyway<'k>(
    kernels: &'k Kernels,
    coming: &'k Coming,
) -> Option<&'k KernelRelease> {
    let images = images(kernels).chain(&coming.images);
    kernels.pinned.as_ref().or_else(|| images.max()).or(kernels.running.as_ref())
}

fn images(kernels: &Kernels) -> impl Iterator<Item = &KernelRelease> {
    let boots = |kernel: &&Kernel| kernel.has.contains(&KernelPart::Image);
    kernels.installed.iter().filter(boots).map(|kernel| &kernel.release)
}

/// Returns the changes that make the host boot a kernel supported by the driver, according to
/// `suits`.
///
/// Prefers the default boot kernel, then the running one, then the newest that has its headers,
/// installed or in the bundle. `None` if no kernel is supported.
pub(crate) fn choose(
    kernels: &Kernels,
    coming: &Coming,
    suits: &dyn Fn(&KernelRelease) -> bool,
) -> Option<Course> {
    let anyway = boots_anyway(kernels, coming)?;
    let (kernel, hold) = if suits(anyway) {
        (anyway, None)
    } else {
        let chosen = best(kernels, coming, suits)?;
        (chosen, Some(chosen.clone()))
    };
    let running = kernels.running.as_ref();
    let runs = running.filter(|running| suits(running));
    let wait_for = running.is_some() && runs.is_none() && running != Some(kernel);
    let newest = kernels.installed.iter().rfind(|it| it.has.contains(&KernelPart::Headers));
    let mut build_for = Vec::new();
    if hold.is_some() || newest.is_some_and(|newest| !suits(&newest.release)) {
        build_for.extend(runs.filter(|running| *running != kernel).cloned());
        build_for.push(kernel.clone());
    }
    Some(Course { hold, wait_for: wait_for.then(|| kernel.clone()), build_for })
}

/// Returns the running kernel, or the newest supported one with headers, installed or in the
/// bundle.
fn best<'k>(
    kernels: &'k Kernels,
    coming: &'k Coming,
    suits: &dyn Fn(&KernelRelease) -> bool,
) -> Option<&'k KernelRelease> {
    let headers = |release: &KernelRelease| {
        let known = kernels.installed.iter().find(|kernel| kernel.release == *release);
        known.is_some_and(|known| known.has.contains(&KernelPart::Headers))
            || coming.headers.contains(release)
    };
    let candidates: BTreeSet<_> = images(kernels).chain(&coming.images).collect();
    let works: Vec<_> = candidates.into_iter().filter(|it| headers(it) && suits(it)).collect();
    works.iter().find(|it| Some(**it) == kernels.running.as_ref()).or(works.last()).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kernel(release: &str) -> KernelRelease {
        release.parse().unwrap()
    }

    /// Kernels that are installed with their headers; the first one runs.
    fn kernels(all: &[&str]) -> Kernels {
        let has = BTreeSet::from([KernelPart::Image, KernelPart::Modules, KernelPart::Headers]);
        let mut installed: Vec<_> =
            all.iter().map(|it| Kernel { release: kernel(it), has: has.clone() }).collect();
        installed.sort();
        let running = Some(kernel(all[0]));
        Kernels { running, pinned: None, pinned_next: None, installed, modules: Vec::new() }
    }

    fn chosen(kernels: &Kernels, coming: &Coming, good: &[&str]) -> Option<Course> {
        choose(kernels, coming, &|release| good.contains(&release.as_str()))
    }

    fn course(hold: &[&str], wait_for: &[&str], build_for: &[&str]) -> Course {
        let [hold, wait_for] = [hold, wait_for].map(|all| all.first().map(|it| kernel(it)));
        let build_for = build_for.iter().map(|it| kernel(it)).collect();
        Course { hold, wait_for, build_for }
    }

    #[test]
    fn nothing_is_held_where_what_boots_anyway_works() {
        let none = Coming::default();
        let two = kernels(&["6.8.12-4-pve", "6.14.11-2-pve"]);
        assert_eq!(
            chosen(&two, &none, &["6.8.12-4-pve", "6.14.11-2-pve"]),
            Some(Course::default())
        );
        let pinned = Kernels { pinned: Some(kernel("6.8.12-4-pve")), ..two };
        let only = Some(course(&[], &[], &["6.8.12-4-pve"]));
        assert_eq!(chosen(&pinned, &none, &["6.8.12-4-pve"]), only);
    }

    #[test]
    fn the_one_that_runs_is_held_and_else_the_newest_that_works() {
        let none = Coming::default();
        let three = kernels(&["6.5.13-6-pve", "6.8.12-4-pve", "6.17.13-1-pve"]);
        assert_eq!(
            chosen(&three, &none, &["6.5.13-6-pve", "6.8.12-4-pve"]),
            Some(course(&["6.5.13-6-pve"], &[], &["6.5.13-6-pve"]))
        );
        assert_eq!(
            chosen(&three, &none, &["6.8.12-4-pve"]),
            Some(course(&["6.8.12-4-pve"], &["6.8.12-4-pve"], &["6.8.12-4-pve"]))
        );
        assert_eq!(chosen(&three, &none, &["5.15.158-2-pve"]), None);
    }

    #[test]
    fn a_newer_kernel_that_is_booted_next_is_waited_for() {
        let two = kernels(&["6.8.12-4-pve", "6.14.11-2-pve"]);
        assert_eq!(
            chosen(&two, &Coming::default(), &["6.14.11-2-pve"]),
            Some(course(&[], &["6.14.11-2-pve"], &[]))
        );
    }

    #[test]
    fn a_kernel_that_comes_counts_and_one_without_headers_does_not() {
        let one = kernels(&["6.17.13-1-pve"]);
        let mut coming = Coming { images: [kernel("6.14.11-2-pve")].into(), ..Coming::default() };
        assert_eq!(chosen(&one, &coming, &["6.14.11-2-pve"]), None);
        coming.headers.insert(kernel("6.14.11-2-pve"));
        assert_eq!(
            chosen(&one, &coming, &["6.14.11-2-pve"]),
            Some(course(&["6.14.11-2-pve"], &["6.14.11-2-pve"], &["6.14.11-2-pve"]))
        );
    }

    #[test]
    fn packages_name_the_kernel_that_they_are_of() {
        let kinds = ["proxmox-kernel-", "linux-image-"];
        let of = |name| release(name, &kinds).map(|release| release.as_str().to_owned());
        assert_eq!(of("proxmox-kernel-6.8.12-4-pve-signed").as_deref(), Some("6.8.12-4-pve"));
        assert_eq!(of("linux-image-6.1.0-18-amd64").as_deref(), Some("6.1.0-18-amd64"));
        for other in ["proxmox-kernel-6.8", "linux-image-amd64", "proxmox-kernel-helper", "dkms"] {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
