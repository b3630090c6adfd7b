//! The `[[driver]]` and `[[patch]]` tables of a recipe.

use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;
use vgpu_manifest::catalog::DriverVersion;
use vgpu_manifest::driver::DriverKind;
use vgpu_manifest::patch::{MAX_PATCH, TreePath};
use vgpu_manifest::ui::ByteSize;
use vgpu_manifest::unlock::CommitId;
use vgpu_manifest::{Digest, ItemMode, ItemName};

use super::git::Git;
use super::mirrors::Mirrors;
use super::raw::{LARGEST, Placed, origin};
use super::{Entry, Fault, Role};
use crate::types::git::{Part, RefName};
use crate::types::{
    AlistPath, AlistSource, FileName, GitUrl, HttpUrl, LocalPath, MegaLink, Origin,
};

/// An NVIDIA driver: a `.run` file, an `.exe` file, or a portal `.zip` that contains one.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Driver {
    name: Spanned<ItemName>,
    path: Option<LocalPath>,
    url: Option<Mirrors>,
    alist: Option<Alist>,
    mega: Option<MegaLink>,
    /// The digest of the named file, which may be the `.zip`.
    sha256: Option<Digest>,
    max_size: Option<ByteSize>,
    #[serde(default = "host")]
    kind: DriverKind,
}

/// A folder of an AList server.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Alist {
    url: HttpUrl,
    path: AlistPath,
}

/// A patch of a driver.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Patch {
    name: Spanned<ItemName>,
    path: Option<LocalPath>,
    url: Option<Mirrors>,
    git: Option<GitUrl>,
    commit: Option<CommitId>,
    branch: Option<RefName>,
    tag: Option<RefName>,
    /// The path in the repository.
    file: Option<TreePath>,
    sha256: Option<Digest>,
    /// The driver to patch; optional with a single host driver.
    driver: Option<Spanned<ItemName>>,
}

fn host() -> DriverKind {
    DriverKind::Host
}

/// Converts drivers and patches to entries, every patch with its driver.
pub(super) fn placed(
    drivers: Vec<Spanned<Driver>>,
    patches: Vec<Spanned<Patch>>,
) -> Result<Vec<Placed>, Fault> {
    let mut placed = drivers.into_iter().map(Driver::placed).collect::<Result<Vec<_>, Fault>>()?;
    for patch in patches {
        let patch = Patch::placed(patch, &placed)?;
        placed.push(patch);
    }
    Ok(placed)
}

/// Returns the driver version in an item name.
fn named_version(name: &ItemName, kind: DriverKind) -> Option<DriverVersion> {
    match FileName::of(name.as_str()) {
        FileName::Driver(named, version) if named == kind => Some(version),
        _ => None,
    }
}

impl Driver {
    fn placed(this: Spanned<Self>) -> Result<Placed, Fault> {
        let span = this.span();
        let at = span.start;
        let Self { name, path, url, alist, mega, sha256, max_size, kind } = this.into_inner();
        // The file name is that of a host driver.
        let package = if kind == DriverKind::ConfigOnly { DriverKind::Host } else { kind };
        let origin = match (path, url, alist, mega) {
            (None, None, Some(Alist { url, path }), None) => {
                let version = named_version(name.get_ref(), package);
                Origin::Alist(AlistSource { url, path, driver: package, version })
            }
            (None, None, None, Some(link)) => Origin::Mega { link },
            (path, url, None, None) if path.is_some() != url.is_some() => {
                origin(name.get_ref(), path, url, span)?
            }
            _ => {
                let name = name.get_ref();
                let what = format!("`{name}` needs one of `path`, `url`, `alist` or `mega`");
                return Err(Fault { span, what });
            }
        };
        let entry = Entry {
            name: name.get_ref().clone(),
            mode: if kind == DriverKind::ConfigOnly {
                ItemMode::Plain
            } else {
                ItemMode::Executable
            },
            origin,
            sha256,
            max_size: max_size.unwrap_or(LARGEST).min(LARGEST),
            role: Role::Driver(kind),
        };
        Ok(Placed { at, name, entry })
    }
}

impl Patch {
    fn placed(this: Spanned<Self>, others: &[Placed]) -> Result<Placed, Fault> {
        let span = this.span();
        let at = span.start;
        let Self { name, path, url, git, commit, branch, tag, file, sha256, driver } =
            this.into_inner();
        let git = Git { url: git, commit, branch, tag };
        let of = match driver {
            Some(driver) => named(&driver, others)?,
            None => only_host(others).ok_or_else(|| {
                let what = format!("`{}` must name its `driver`", name.get_ref());
                Fault { span: span.clone(), what }
            })?,
        };
        let entry = Entry {
            name: name.get_ref().clone(),
            mode: ItemMode::Plain,
            origin: patch_origin(name.get_ref(), path, url, git, file, span)?,
            sha256,
            max_size: ByteSize::new(MAX_PATCH),
            role: Role::Patch { of },
        };
        Ok(Placed { at, name, entry })
    }
}

/// Returns the source of a patch, exactly one of three.
fn patch_origin(
    name: &ItemName,
    path: Option<LocalPath>,
    url: Option<Mirrors>,
    git: Git,
    file: Option<TreePath>,
    span: Range<usize>,
) -> Result<Origin, Fault> {
    if git.is_absent() && file.is_none() && (path.is_some() || url.is_some()) {
        return origin(name, path, url, span);
    }
    let fault = |what| Fault { span: span.clone(), what };
    if git.is_absent() || path.is_some() || url.is_some() {
        return Err(fault(format!("`{name}` needs one of `path`, `url` or `git`")));
    }
    let file = file.ok_or_else(|| fault("`file` must name the file in the commit".to_owned()))?;
    git.origin(Part::File(file), span).map(Origin::Git)
}

/// Returns the driver with this name.
fn named(name: &Spanned<ItemName>, others: &[Placed]) -> Result<ItemName, Fault> {
    let is_it = |other: &&Placed| {
        matches!(other.entry.role, Role::Driver(kind) if kind != DriverKind::ConfigOnly)
            && other.entry.name == *name.get_ref()
    };
    let found = others.iter().find(is_it).map(|driver| driver.entry.name.clone());
    found.ok_or_else(|| {
        let what = format!("the recipe has no driver `{}`", name.get_ref());
        Fault { span: name.span(), what }
    })
}

/// Returns the host driver, if there is exactly one.
fn only_host(others: &[Placed]) -> Option<ItemName> {
    let mut hosts =
        others.iter().filter(|other| other.entry.role == Role::Driver(DriverKind::Host));
    let host = hosts.next()?;
    hosts.next().is_none().then(|| host.entry.name.clone())
}
