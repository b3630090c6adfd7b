//! The `[[unlock]]` tables of a recipe.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use toml::Spanned;
use vgpu_manifest::catalog::{Catalog, Library, Overrides, Release};
use vgpu_manifest::ui::ByteSize;
use vgpu_manifest::unlock::{CommitId, GlibcVersion};
use vgpu_manifest::verdict::Targets;
use vgpu_manifest::{ItemMode, ItemName};

use super::git::{Git, ONE_OF};
use super::raw::Placed;
use super::{Entry, Fault, Role};
use crate::types::git::{Named, Part, RefName, Revision, ShortId};
use crate::types::{GitOrigin, GitUrl, Origin};

/// An unlock library: a fork of `vgpu_unlock`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Unlock {
    /// The item of its sources.
    name: Spanned<ItemName>,
    git: Option<GitUrl>,
    commit: Option<CommitId>,
    branch: Option<RefName>,
    tag: Option<RefName>,
    #[serde(default)]
    build: Build,
    /// The glibc version of the target hosts.
    glibc: Option<GlibcVersion>,
    /// The item of the library. Default: in the folder of its sources.
    library: Option<Spanned<ItemName>>,
    #[serde(default)]
    fit: FitCheck,
}

/// The machine that builds the library.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Build {
    /// The machine that makes the bundle.
    #[default]
    Here,
    /// The node, with packages of the bundle.
    Node,
}

/// The check of the library against the driver of the bundle.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum FitCheck {
    /// It must match, according to the catalog.
    #[default]
    Required,
    /// The author of the recipe overrides the catalog.
    Waived,
}

/// The default name of the library.
const LIBRARY: &str = "libvgpu_unlock_rs.so";

/// The size limit of the sources.
const MAX_SOURCES: ByteSize = ByteSize::new(512 << 20);

/// Converts unlock libraries to entries: the sources, and the library if it is built here.
pub(super) fn placed(
    all: Vec<Spanned<Unlock>>,
    targets: Option<&Targets>,
) -> Result<Vec<Placed>, Fault> {
    let mut placed = Vec::new();
    for unlock in all {
        placed.extend(unlock_placed(unlock, targets)?);
    }
    Ok(placed)
}

fn unlock_placed(unlock: Spanned<Unlock>, targets: Option<&Targets>) -> Result<Vec<Placed>, Fault> {
    let span = unlock.span();
    let at = span.start;
    let Unlock { name, git, commit, branch, tag, build, glibc, library, fit } = unlock.into_inner();
    let git = Git { url: git, commit, branch, tag };
    let sources = name.get_ref().clone();
    if !sources.as_str().ends_with(".tar.zst") {
        let what = format!("the name of sources must end in `.tar.zst`, but this is `{sources}`");
        return Err(Fault { span: name.span(), what });
    }
    let origin = Origin::Git(origin(git, targets.map(|it| it.driver), span.clone())?);
    let entry = |name: &ItemName, role| Entry {
        name: name.clone(),
        mode: ItemMode::Plain,
        origin: origin.clone(),
        sha256: None,
        max_size: MAX_SOURCES,
        role,
    };
    let first = Placed { at, entry: entry(&sources, Role::Unlock { fit }), name };
    if build == Build::Node {
        return match library {
            Some(library) => {
                let what = "a library built on the node is not an item; omit `library`";
                Err(Fault { span: library.span(), what: what.to_owned() })
            }
            None => Ok(vec![first]),
        };
    }
    let glibc = hosts_glibc(glibc, targets, &span)?;
    let library = library.map_or_else(|| beside(&first.name, &span), Ok)?;
    let role = Role::Library { of: sources, glibc };
    let second = Placed { at, entry: entry(library.get_ref(), role), name: library };
    Ok(vec![first, second])
}

/// Returns the glibc version that the library is built for: at most that of the hosts.
fn hosts_glibc(
    glibc: Option<GlibcVersion>,
    targets: Option<&Targets>,
    span: &Range<usize>,
) -> Result<GlibcVersion, Fault> {
    let of_host = targets.and_then(|it| it.pve).and_then(|pve| Some((pve, GlibcVersion::of(pve)?)));
    match (glibc, of_host) {
        (Some(wanted), Some((pve, has))) if wanted > has => {
            let what = format!(
                "Proxmox VE {pve} has glibc {has}, which cannot load a library built for {wanted}"
            );
            Err(Fault { span: span.clone(), what })
        }
        (Some(wanted), _) => Ok(wanted),
        (None, Some((_, has))) => Ok(has),
        (None, None) => Ok(GlibcVersion::OLDEST_HOST),
    }
}

/// Returns the repository and the commit. Default: those of the fork for the driver.
fn origin(git: Git, driver: Option<Release>, span: Range<usize>) -> Result<GitOrigin, Fault> {
    let part = Part::Folder { path: None, exclude: Vec::new() };
    let fault = |what: String| Fault { span: span.clone(), what };
    if git.url.is_some() {
        return git.origin(part, span);
    }
    let Some(driver) = driver else {
        let what = "without `git`, `[targets]` must name the driver, which determines the fork";
        return Err(fault(what.to_owned()));
    };
    let catalog = Catalog::embedded();
    let Some(Library { repository, commit, .. }) = library_for(&catalog, driver) else {
        let what = format!("the catalog has no library for vGPU {driver}; name `git` and `commit`");
        return Err(fault(what));
    };
    let url = repository.parse().map_err(|error| fault(format!("{error}")))?;
    let revision = if git.is_absent() {
        let known = ShortId::try_from(commit.clone()).map(|it| Revision::Open(Named::Short(it)));
        let full = || commit.parse().ok().map(Revision::Exact);
        known.ok().or_else(full)
    } else {
        git.revision()
    };
    let revision = revision.ok_or_else(|| fault(ONE_OF.to_owned()))?;
    Ok(GitOrigin { url, revision, part })
}

/// Returns the library in the catalog for a release.
#[must_use]
pub(crate) fn library_for(catalog: &Catalog, release: Release) -> Option<&Library> {
    match catalog.library(catalog.driver(release)?) {
        Overrides::Applied(it) | Overrides::Unproven(it, _) | Overrides::Ignored(it) => Some(it),
        Overrides::NoLibrary => None,
    }
}

/// Returns the default name, in the folder of the sources.
fn beside(sources: &Spanned<ItemName>, span: &Range<usize>) -> Result<Spanned<ItemName>, Fault> {
    let name = sources.get_ref().as_str();
    let folder = name.rsplit_once('/').map(|(folder, _)| format!("{folder}/")).unwrap_or_default();
    let name = format!("{folder}{LIBRARY}").parse();
    let name = name.map_err(|error| Fault { span: span.clone(), what: format!("{error}") })?;
    Ok(Spanned::new(sources.span(), name))
}
