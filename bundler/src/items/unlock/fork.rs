//! Compatibility of the library forks with drivers.

use vgpu_manifest::catalog::{Catalog, Driver, Library};
use vgpu_manifest::driver::{DriverKind, DriverRecord};
use vgpu_manifest::unlock::CommitId;
use vgpu_manifest::verdict::Targets;

use crate::recipe::library_for;

/// The compatibility of a library with the driver of its bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fit {
    /// Compatible, or the driver is unknown.
    Good,
    /// Possibly incompatible, with the reason.
    Doubted(String),
    /// Incompatible, with the reason.
    Bad(String),
}

/// Returns the library in the catalog with this commit.
#[must_use]
pub(crate) fn library_of<'c>(catalog: &'c Catalog, commit: &CommitId) -> Option<&'c Library> {
    let is_it = |library: &&Library| commit.as_str().starts_with(&library.commit);
    catalog.rows().libraries.iter().find(is_it)
}

/// Checks the commit against the target driver and the host drivers of the bundle.
pub(crate) fn judge(
    catalog: &Catalog,
    commit: &CommitId,
    targets: Option<&Targets>,
    drivers: &[&DriverRecord],
) -> Fit {
    let library = library_of(catalog, commit);
    let mut fit = Fit::Good;
    let meant = targets.and_then(|targets| catalog.driver(targets.driver)).map(|it| vec![it]);
    let hosts = drivers.iter().filter(|driver| driver.kind == DriverKind::Host);
    let had = hosts.map(|driver| catalog.drivers_by_host(&driver.version).collect::<Vec<_>>());
    // Several releases may share a driver; the library must be for one of them.
    for releases in meant.into_iter().chain(had).filter(|releases| !releases.is_empty()) {
        let Some(library) = library else {
            let short = &commit.as_str()[..12];
            let doubt =
                format!("whether commit {short} is for vGPU {} is not known", releases[0].release);
            fit = Fit::Doubted(doubt);
            continue;
        };
        let judged: Vec<_> =
            releases.iter().map(|driver| judge_one(catalog, library, driver, targets)).collect();
        let best = judged.iter().position(|it| *it == Fit::Good);
        match judged.into_iter().nth(best.unwrap_or(0)) {
            Some(Fit::Good) | None => {}
            Some(Fit::Doubted(why)) => fit = Fit::Doubted(why),
            Some(Fit::Bad(why)) => return Fit::Bad(why),
        }
    }
    fit
}

fn judge_one(
    catalog: &Catalog,
    library: &Library,
    driver: &Driver,
    targets: Option<&Targets>,
) -> Fit {
    let release = driver.release;
    let layout = catalog.rows().layouts.iter().find(|row| row.releases.contains(release));
    let sizes = layout.map(|layout| layout.sizes.as_slice()).unwrap_or_default();
    let knows = sizes.is_empty() || sizes.iter().any(|size| library.sizes.contains(size));
    let why = if !knows {
        let (ours, theirs) = (numbers(&library.sizes), numbers(sizes));
        format!("it knows structures of {ours} bytes, and those of vGPU {release} have {theirs}")
    } else if !library.releases.contains(release) {
        format!("it supports {}, not vGPU {release}", library.releases)
    } else if sizes.len() > 1 {
        let theirs = numbers(sizes);
        let doubt = format!("sources disagree on the structures of vGPU {release}: {theirs} bytes");
        return Fit::Doubted(doubt);
    } else {
        return Fit::Good;
    };
    let instead = match library_for(catalog, release).filter(|it| it.id != library.id) {
        // The catalog has the first digits of a commit only, and a recipe needs all of them.
        Some(Library { repository, commit, .. }) => {
            let named = targets.is_some_and(|targets| targets.driver == release);
            let name = format!("name `gpu` and `driver = \"{release}\"` in `[targets]` and ");
            let name = if named { "" } else { &name };
            format!(
                "to use commit {commit} of {repository}, {name}remove `git`, `commit`, `branch` and `tag` from `[[unlock]]`"
            )
        }
        None => "the catalog has no library for it".to_owned(),
    };
    let waive = "to use it nevertheless, set `fit = \"waived\"`";
    Fit::Bad(format!("the library `{}` does not fit: {why}; {instead}; {waive}", library.id))
}

fn numbers(sizes: &[u32]) -> String {
    let text: Vec<String> = sizes.iter().map(ToString::to_string).collect();
    text.join(" or ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(release: &str) -> Targets {
        toml::from_str(&format!("gpu = ['10de:1e30']\ndriver = '{release}'")).unwrap()
    }

    fn commit(short: &str) -> CommitId {
        format!("{short:0<40}").parse().unwrap()
    }

    fn driver(version: &str) -> DriverRecord {
        toml::from_str(&format!("version = '{version}'\nkind = 'host'")).unwrap()
    }

    #[test]
    fn a_fork_is_for_the_drivers_whose_structures_it_knows() {
        let catalog = Catalog::embedded();
        let judge = |short: &str, release: &str| {
            judge(&catalog, &commit(short), Some(&targets(release)), &[])
        };
        for (short, release) in [("71ec870", "17.5"), ("71ec870", "16.9"), ("5ad3ee6", "19.4")] {
            assert_eq!(judge(short, release), Fit::Good, "{short} {release}");
        }
        let Fit::Bad(unfit) = judge("71ec870", "19.4") else { panic!("it fits") };
        for word in ["`mbilker` does not fit", "5424 bytes", "have 5432", "commit 5ad3ee6 of"] {
            assert!(unfit.contains(word), "{unfit}");
        }
        let Fit::Bad(unfit) = judge("5ad3ee6", "17.5") else { panic!("it fits") };
        assert!(unfit.contains("to use commit 71ec870 of"), "{unfit}");
        assert!(unfit.contains("vgpu_unlock-rs, remove `git`, `commit`"), "{unfit}");
        assert!(matches!(judge("71ec870", "19.1"), Fit::Doubted(it) if it.contains("disagree")));
        assert!(matches!(judge("123456789", "17.5"), Fit::Doubted(it) if it.contains("not known")));
    }

    #[test]
    fn the_driver_in_the_bundle_counts_as_well() {
        let catalog = Catalog::embedded();
        let judge =
            |short: &str, version: &str| judge(&catalog, &commit(short), None, &[&driver(version)]);
        assert_eq!(judge("71ec870", "535.230.02"), Fit::Good);
        let Fit::Bad(unfit) = judge("5ad3ee6", "535.230.02") else { panic!("it fits") };
        assert!(unfit.contains("name `gpu` and `driver = \"16.9\"` in `[targets]`"), "{unfit}");
        // The driver is not in the catalog.
        assert_eq!(judge("5ad3ee6", "1.2.3"), Fit::Good);
        assert_eq!(library_for(&catalog, "19.4".parse().unwrap()).unwrap().id.as_str(), "rbqvq");
    }
}
