//! Choice of the kernel that a host must boot for a driver: a pure function of facts and catalog.

use std::collections::BTreeSet;

use vgpu_manifest::Manifest;
use vgpu_manifest::inventory::{BootReason, BootsNext, Kernel, KernelPart, Kernels};
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
    /// The running kernel, which stays the default until the bundle's own kernel has booted, although
    /// that one is the newest.
    pub(crate) fallback: Option<KernelRelease>,
    /// The setting that boots another kernel in spite of the pin, if there is one.
    pub(crate) beaten_by: Option<BootsNext>,
}

/// Returns the kernel that the host boots next, if nothing is pinned now. A newer kernel of the
/// bundle counts only where the newest one boots by default.
pub(crate) fn boots_anyway<'k>(
    kernels: &'k Kernels,
    coming: &'k Coming,
) -> Option<&'k KernelRelease> {
    let fixed = kernels.boots.as_ref().filter(|boots| boots.because != BootReason::Newest);
    let fixed = fixed.map(|boots| &boots.kernel).or(kernels.pinned_next.as_ref());
    fixed.or_else(|| boots_afterwards(kernels, coming))
}

/// Returns the kernel that the host boots after a setting for one boot was used up.
fn boots_afterwards<'k>(kernels: &'k Kernels, coming: &'k Coming) -> Option<&'k KernelRelease> {
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
/// Prefers the default boot kernel, then the running one, then the newest. A kernel without headers,
/// installed or in the bundle, cannot have a module, so one with headers goes before it. `None` if
/// no kernel is supported.
pub(crate) fn choose(
    kernels: &Kernels,
    coming: &Coming,
    suits: &dyn Fn(&KernelRelease) -> bool,
) -> Option<Course> {
    let anyway = boots_anyway(kernels, coming)?;
    let is_once = kernels.boots.as_ref().is_some_and(|boots| boots.because.is_once());
    let afterwards = if is_once { boots_afterwards(kernels, coming)? } else { anyway };
    let best = best(kernels, coming, suits);
    // Where every kernel lacks its headers, the missing package is the answer, and no other kernel.
    let can_build = |kernel: &KernelRelease| {
        suits(kernel) && (best.is_none() || has_headers(kernel, kernels, coming))
    };
    let kernel = if can_build(anyway) { anyway } else { best? };
    let hold = (!can_build(anyway) || !can_build(afterwards)).then(|| kernel.clone());
    let beaten_by = kernels
        .boots
        .as_ref()
        .filter(|boots| boots.beats_pin && hold.as_ref().is_some_and(|hold| *hold != boots.kernel));
    let running = kernels.running.as_ref();
    let runs = running.filter(|running| can_build(running));
    let wait_for = running.is_some() && runs.is_none() && running != Some(kernel);
    let newest = kernels.installed.iter().rfind(|it| it.has.contains(&KernelPart::Headers));
    let mut build_for = Vec::new();
    if hold.is_some() || newest.is_some_and(|newest| !suits(&newest.release)) {
        build_for.extend(runs.filter(|running| *running != kernel).cloned());
        build_for.push(kernel.clone());
    }
    let is_new = !images(kernels).any(|installed| installed == kernel);
    let fallback = running.filter(|_| hold.is_none() && wait_for && is_new).cloned();
    let (wait_for, beaten_by) = (wait_for.then(|| kernel.clone()), beaten_by.cloned());
    Some(Course { hold, wait_for, build_for, fallback, beaten_by })
}

/// Returns the running kernel, or the newest supported one with headers, installed or in the
/// bundle.
fn best<'k>(
    kernels: &'k Kernels,
    coming: &'k Coming,
    suits: &dyn Fn(&KernelRelease) -> bool,
) -> Option<&'k KernelRelease> {
    let candidates: BTreeSet<_> = images(kernels).chain(&coming.images).collect();
    let works: Vec<_> =
        candidates.into_iter().filter(|it| has_headers(it, kernels, coming) && suits(it)).collect();
    works.iter().find(|it| Some(**it) == kernels.running.as_ref()).or(works.last()).copied()
}

fn has_headers(kernel: &KernelRelease, kernels: &Kernels, coming: &Coming) -> bool {
    let known = kernels.installed.iter().find(|known| known.release == *kernel);
    known.is_some_and(|known| known.has.contains(&KernelPart::Headers))
        || coming.headers.contains(kernel)
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
        let (pinned, pinned_next, boots, modules) = (None, None, None, Vec::new());
        Kernels { running, pinned, pinned_next, boots, installed, modules }
    }

    fn chosen(kernels: &Kernels, coming: &Coming, good: &[&str]) -> Option<Course> {
        choose(kernels, coming, &|release| good.contains(&release.as_str()))
    }

    fn course(hold: &[&str], wait_for: &[&str], build_for: &[&str]) -> Course {
        let [hold, wait_for] = [hold, wait_for].map(|all| all.first().map(|it| kernel(it)));
        let build_for = build_for.iter().map(|it| kernel(it)).collect();
        Course { hold, wait_for, build_for, fallback: None, beaten_by: None }
    }

    fn boots(kernels: Kernels, release: &str, because: BootReason, beats_pin: bool) -> Kernels {
        let boots = BootsNext { kernel: kernel(release), because, set_in: None, beats_pin };
        Kernels { boots: Some(boots), ..kernels }
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
    fn the_running_kernel_stays_the_default_until_a_bundled_one_has_booted() {
        let (old, new) = ("6.8.12-4-pve", "6.14.11-2-pve");
        let coming = Coming { images: [kernel(new)].into(), headers: [kernel(new)].into() };
        let chosen = |coming: &Coming, all: &[&str]| chosen(&kernels(all), coming, &[new]).unwrap();
        let waits = course(&[], &[new], &[new]);
        let build_for = chosen(&coming, &[old]).build_for;
        let with_fallback = Course { fallback: Some(kernel(old)), build_for, ..waits };
        assert_eq!(chosen(&coming, &[old]), with_fallback);
        // An installed kernel is the default already, and an operator may have booted it.
        assert_eq!(chosen(&coming, &[old, new]).fallback, None);
        let both = choose(&kernels(&[old]), &coming, &|_| true).unwrap();
        assert_eq!((both.wait_for, both.fallback), (None, None), "the driver works with both");
    }

    #[test]
    fn a_newer_kernel_without_headers_is_held_back_by_one_with_them() {
        let (old, new) = ("6.17.13-21-pve", "7.0.14-23-pve");
        let without = |bare: &[&str]| {
            let mut kernels = kernels(&[old, new]);
            for kernel in &mut kernels.installed {
                if bare.contains(&kernel.release.as_str()) {
                    kernel.has.remove(&KernelPart::Headers);
                }
            }
            kernels
        };
        let none = Coming::default();
        let held = Some(course(&[old], &[], &[old]));
        assert_eq!(chosen(&without(&[new]), &none, &[old, new]), held);
        let coming = Coming { headers: [kernel(new)].into(), ..Coming::default() };
        assert_eq!(chosen(&without(&[new]), &coming, &[old, new]), Some(Course::default()));
        // A kernel that cannot have a module is not waited in.
        let waits = course(&[], &[new], &[]);
        assert_eq!(chosen(&without(&[old]), &none, &[old, new]), Some(waits));
        // The missing package is named elsewhere.
        let bare = without(&[old, new]);
        assert_eq!(chosen(&bare, &none, &[old, new]), Some(Course::default()));
    }

    #[test]
    fn a_kernel_that_grub_selects_is_not_replaced_by_one_of_the_bundle() {
        let (old, new, newer) = ("6.8.12-4-pve", "6.14.11-2-pve", "6.17.13-1-pve");
        let coming = Coming { images: [kernel(newer)].into(), headers: [kernel(newer)].into() };
        let two = boots(kernels(&[old, new]), old, BootReason::GrubDefault, false);
        assert_eq!(chosen(&two, &coming, &[old, new]), Some(Course::default()));
        let default = boots(kernels(&[old, new]), new, BootReason::Newest, false);
        assert_eq!(
            chosen(&default, &coming, &[old, new]),
            Some(course(&[old], &[], &[old])),
            "the newer one would boot"
        );
        let held = course(&[new], &[new], &[new]);
        assert_eq!(chosen(&two, &coming, &[new]), Some(held.clone()));
        // The pin would have no effect.
        let later = boots(kernels(&[old, new]), old, BootReason::GrubDefault, true);
        let beaten = Course { beaten_by: later.boots.clone(), ..held };
        assert_eq!(chosen(&later, &coming, &[new]), Some(beaten));
    }

    #[test]
    fn a_pin_for_one_boot_decides_about_that_boot_only() {
        let (old, new) = ("6.8.12-4-pve", "6.14.11-2-pve");
        let once = |release| boots(kernels(&[old, new]), release, BootReason::NextBootPin, true);
        let none = Coming::default();
        assert_eq!(chosen(&once(old), &none, &[old, new]), Some(Course::default()));
        // After that boot, the newest kernel would boot, which the driver does not support.
        assert_eq!(chosen(&once(old), &none, &[old]), Some(course(&[old], &[], &[old])));
        let beaten = chosen(&once(new), &none, &[old]).unwrap();
        assert_eq!((beaten.hold, beaten.beaten_by), (Some(kernel(old)), once(new).boots));
        let unknown = Kernels { pinned_next: Some(kernel(new)), ..kernels(&[old, new]) };
        assert_eq!(chosen(&unknown, &none, &[old]), Some(course(&[old], &[], &[old])));
        assert_eq!(chosen(&unknown, &none, &[old, new]), Some(Course::default()));
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
