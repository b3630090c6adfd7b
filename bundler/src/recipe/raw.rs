//! The recipe as it is in the file, and checks across its tables.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::ops::Range;
use std::str::FromStr;

use camino::Utf8Path;
use serde::Deserialize;
use toml::Spanned;
use vgpu_keys::{Channel, MAX_POLICIES};
use vgpu_manifest::limits::{MAX_ITEM, MAX_ITEMS};
use vgpu_manifest::patch::TreePath;
use vgpu_manifest::ui::ByteSize;
use vgpu_manifest::unlock::CommitId;
use vgpu_manifest::verdict::Targets;
use vgpu_manifest::{BundleName, Digest, ItemMode, ItemName, POLICIES, ParseTextError, Wants};

use super::apt::{self, RawApt};
use super::driver::{self, Driver, Patch};
use super::git::Git;
use super::host::Host;
use super::image::Image;
use super::mirrors::Mirrors;
use super::unlock::{self, Unlock};
use super::{CATALOG, CHANNEL, Entry, Fault, NAME, Role};
use crate::types::git::{Part, RefName};
use crate::types::{GitUrl, LocalPath, Origin};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Recipe {
    #[serde(default)]
    bundle: Bundle,
    #[serde(default)]
    file: Vec<Spanned<File>>,
    #[serde(default)]
    tree: Vec<Spanned<Tree>>,
    #[serde(default)]
    driver: Vec<Spanned<Driver>>,
    #[serde(default)]
    patch: Vec<Spanned<Patch>>,
    #[serde(default)]
    image: Vec<Spanned<Image>>,
    #[serde(default)]
    apt: Vec<Spanned<RawApt>>,
    #[serde(default)]
    unlock: Vec<Spanned<Unlock>>,
    #[serde(default)]
    host: Option<Spanned<Host>>,
    #[serde(default)]
    targets: Option<Spanned<Targets>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Bundle {
    /// Default: [`NAME`](super::NAME).
    name: Option<BundleName>,
    /// Default: [`CHANNEL`](super::CHANNEL).
    channel: Option<Channel>,
    /// The file with signed policies for hosts that have an older one.
    policies: Option<LocalPath>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct File {
    name: Spanned<ItemName>,
    path: Option<LocalPath>,
    url: Option<Mirrors>,
    sha256: Option<Digest>,
    max_size: Option<ByteSize>,
    #[serde(default = "plain")]
    mode: ItemMode,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Tree {
    name: Spanned<ItemName>,
    path: Option<LocalPath>,
    git: Option<GitUrl>,
    commit: Option<CommitId>,
    branch: Option<RefName>,
    tag: Option<RefName>,
    /// The path in the repository.
    folder: Option<TreePath>,
    #[serde(default)]
    exclude: Vec<LocalPath>,
}

fn plain() -> ItemMode {
    ItemMode::Plain
}

/// The size limit of any item.
pub(super) const LARGEST: ByteSize = ByteSize::new(MAX_ITEM);

impl Recipe {
    /// Converts it, if it is consistent. Paths of overrides are relative to `base`.
    pub(super) fn check(self, base: &Utf8Path) -> Result<super::Recipe, Fault> {
        let files = self.file.into_iter().map(File::entry);
        let trees = self.tree.into_iter().map(Tree::entry);
        let images = self.image.into_iter().map(Image::placed);
        let mut placed =
            files.chain(trees).chain(images).collect::<Result<Vec<Placed>, Fault>>()?;
        placed.extend(driver::placed(self.driver, self.patch)?);
        let targets = check_targets(self.targets)?;
        placed.extend(unlock::placed(self.unlock, targets.as_ref())?);
        placed.sort_by_key(|placed| placed.at);
        check_names(&placed)?;
        let Bundle { name, channel, policies } = self.bundle;
        let name = name.map_or_else(|| usual(NAME), Ok)?;
        let channel = channel.map_or_else(|| usual(CHANNEL), Ok)?;
        // Hosts read them before anything else, so they are the first item.
        let policies = policies.map(signed_policies).transpose()?;
        let first = policies.iter().count();
        let before = |at| first + placed.iter().filter(|placed| placed.at < at).count();
        let apt = apt::checked(self.apt, before)?;
        let placed = placed.into_iter().map(|placed| placed.entry);
        let mut entries: Vec<Entry> = policies.into_iter().chain(placed).collect();
        let host = check_host(self.host, &entries, base)?;
        entries.push(catalog()?);
        Ok(super::Recipe { name, channel, entries, apt, host, targets, written: None })
    }
}

/// Returns the default of a field.
fn usual<T: FromStr<Err: Display>>(text: &str) -> Result<T, Fault> {
    text.parse().map_err(|error: T::Err| Fault { span: 0..0, what: error.to_string() })
}

/// Returns the catalog, the last item of every bundle, with which the node judges itself.
fn catalog() -> Result<Entry, Fault> {
    own(CATALOG, Origin::Catalog, Role::Plain)
}

fn signed_policies(path: LocalPath) -> Result<Entry, Fault> {
    let entry = own(POLICIES, Origin::File { path }, Role::Policies)?;
    Ok(Entry { max_size: ByteSize::new(MAX_POLICIES), ..entry })
}

/// Returns an item whose name the format determines.
fn own(name: &str, origin: Origin, role: Role) -> Result<Entry, Fault> {
    let fault = |error: ParseTextError| Fault { span: 0..0, what: error.to_string() };
    let (name, mode) = (name.parse().map_err(fault)?, ItemMode::Plain);
    Ok(Entry { name, mode, origin, sha256: None, max_size: LARGEST, role })
}

/// Checks that `[targets]` names a GPU.
fn check_targets(targets: Option<Spanned<Targets>>) -> Result<Option<Targets>, Fault> {
    match targets {
        Some(targets) if targets.get_ref().gpu.is_empty() => {
            let what = "`gpu` must name at least one GPU".to_owned();
            Err(Fault { span: targets.span(), what })
        }
        targets => Ok(targets.map(Spanned::into_inner)),
    }
}

/// An entry and its position in the text.
pub(super) struct Placed {
    pub(super) at: usize,
    pub(super) name: Spanned<ItemName>,
    pub(super) entry: Entry,
}

impl File {
    fn entry(this: Spanned<Self>) -> Result<Placed, Fault> {
        let span = this.span();
        let Self { name, path, url, sha256, max_size, mode } = this.into_inner();
        let at = span.start;
        let origin = origin(name.get_ref(), path, url, span)?;
        let max_size = max_size.unwrap_or(LARGEST).min(LARGEST);
        let role = Role::Plain;
        let entry = Entry { name: name.get_ref().clone(), mode, origin, sha256, max_size, role };
        Ok(Placed { at, name, entry })
    }
}

/// Returns the source of an item, exactly one of two.
pub(super) fn origin(
    name: &ItemName,
    path: Option<LocalPath>,
    url: Option<Mirrors>,
    span: Range<usize>,
) -> Result<Origin, Fault> {
    match (path, url) {
        (Some(path), None) => Ok(Origin::File { path }),
        (None, Some(Mirrors(urls))) => Ok(Origin::Url { urls }),
        _ => Err(Fault { span, what: format!("`{name}` needs either `path` or `url`") }),
    }
}

impl Tree {
    fn entry(this: Spanned<Self>) -> Result<Placed, Fault> {
        let span = this.span();
        let at = span.start;
        let Self { name, path, git, commit, branch, tag, folder, exclude } = this.into_inner();
        let git = Git { url: git, commit, branch, tag };
        if !name.get_ref().as_str().ends_with(".tar.zst") {
            let what = format!(
                "the name of a tree must end in `.tar.zst`, but this is `{}`",
                name.get_ref()
            );
            return Err(Fault { span: name.span(), what });
        }
        let origin = match path {
            Some(path) if git.is_absent() && folder.is_none() => Origin::Folder { path, exclude },
            None if !git.is_absent() => {
                Origin::Git(git.origin(Part::Folder { path: folder, exclude }, span)?)
            }
            _ => {
                let what = format!("`{}` needs either `path` or `git`", name.get_ref());
                return Err(Fault { span, what });
            }
        };
        let entry = Entry {
            name: name.get_ref().clone(),
            mode: ItemMode::Plain,
            origin,
            sha256: None,
            max_size: LARGEST,
            role: Role::Plain,
        };
        Ok(Placed { at, name, entry })
    }
}

/// Checks that no two names are equal on a medium that ignores case. The manifest checks that no
/// name is a folder of another.
fn check_names(placed: &[Placed]) -> Result<(), Fault> {
    let mut seen = BTreeMap::new();
    // The catalog is an item, too. Packages and their archives are counted once they are resolved.
    if let Some(beyond) = placed.get(MAX_ITEMS - 1) {
        let what = format!(
            "the recipe has {} items, but a bundle has at most {MAX_ITEMS}, with the catalog",
            placed.len()
        );
        return Err(Fault { span: beyond.name.span(), what });
    }
    for Placed { name, .. } in placed {
        let folded = name.get_ref().as_str().to_ascii_lowercase();
        if folded == CATALOG {
            let what = format!("`{}` is the catalog, which every bundle has", name.get_ref());
            return Err(Fault { span: name.span(), what });
        }
        if folded == POLICIES {
            let what = format!(
                "the name `{}` is reserved for signed policies; write `policies = \"FILE\"` in `[bundle]`",
                name.get_ref()
            );
            return Err(Fault { span: name.span(), what });
        }
        if let Some(other) = seen.insert(folded, name) {
            let [a, b] = [other, name].map(Spanned::get_ref);
            let what = format!("the names `{a}` and `{b}` collide on media that ignore case");
            return Err(Fault { span: name.span(), what });
        }
    }
    Ok(())
}

/// Checks that every item installed on the host exists.
fn check_host(
    host: Option<Spanned<Host>>,
    entries: &[Entry],
    base: &Utf8Path,
) -> Result<Wants, Fault> {
    let Some(host) = host else { return Ok(Wants::default()) };
    let names: BTreeSet<&ItemName> = entries.iter().map(|entry| &entry.name).collect();
    if let Err(error) = host.get_ref().wants().check() {
        return Err(Fault { span: host.span(), what: format!("`[host]`: {error}") });
    }
    let missing = host.get_ref().wants().items().find(|name| !names.contains(name)).cloned();
    match missing {
        Some(missing) => {
            let what = format!("`[host]` refers to it, but the recipe has no item `{missing}`");
            Err(Fault { span: host.span(), what })
        }
        None => host.into_inner().resolved(base),
    }
}
