use anyhow::{Context as _, anyhow, bail};
use camino::Utf8Path;
use vgpu_manifest::ItemName;
use vgpu_manifest::limits::MAX_ITEM;
use vgpu_manifest::patch::TreePath;
use vgpu_manifest::ui::ByteSize;
use vgpu_manifest::unlock::CommitId;

use super::{Sources, finish};
use crate::cache::CacheError;
use crate::items::git::{self, Blobs, Entry, Kind, Reach, Repository, Selection, check_out};
use crate::types::git::{Part, Revision};
use crate::types::{Expected, GitOrigin, Pin};

impl Sources<'_> {
    /// Returns the origin with its commit, resolved if necessary.
    pub(crate) fn settle(&self, item: &ItemName, origin: &GitOrigin) -> anyhow::Result<GitOrigin> {
        let Revision::Open(name) = &origin.revision else { return Ok(origin.clone()) };
        let commit = self.repository(origin).resolve(name).with_context(|| unavailable(item))?;
        let revision = Revision::Settled(name.clone(), commit);
        Ok(GitOrigin { revision, ..origin.clone() })
    }

    /// Writes the `selected` part of a commit to the empty folder `top`.
    pub(crate) fn check_out(
        &self,
        origin: &GitOrigin,
        selected: Selection<'_>,
        top: &Utf8Path,
    ) -> anyhow::Result<()> {
        let commit = commit_of(origin)?;
        let repository = self.repository(origin);
        let entries = repository.list(commit, &|_| {})?;
        let mut blobs = repository.blobs(commit)?;
        let prefix = selected.folder.map(|folder| format!("{folder}/"));
        let is_below = |entry: &Entry| {
            prefix.as_ref().is_none_or(|prefix| entry.path.starts_with(prefix.as_bytes()))
        };
        match selected.folder {
            Some(folder) if !entries.iter().any(is_below) => {
                Err(no_such_path("folder", folder, commit))
            }
            _ => check_out(&entries, &mut blobs, selected, top),
        }
    }

    /// Obtains a part of a git repository: a file unchanged, or a folder as one archive.
    pub(super) fn git(&self, origin: &GitOrigin, want: Expected<'_>) -> anyhow::Result<Pin> {
        match &origin.part {
            Part::File(path) => self.git_file(origin, path, want),
            Part::Folder { path, exclude } => {
                let failed = || unavailable(want.name);
                let scratch = tempfile::tempdir();
                let scratch = scratch.context("cannot make a temporary folder");
                let scratch = scratch.with_context(failed)?;
                let top = Utf8Path::from_path(scratch.path());
                let top = top.context("the name of the temporary folder is not UTF-8");
                let top = top.with_context(failed)?;
                let transfer = self.fetcher.ui.transfer("fetch", want.name.as_str());
                // The limit applies to the archive, which is smaller than the checked-out files.
                let selected = Selection { folder: path.as_ref(), exclude, cap: MAX_CHECKOUT };
                self.check_out(origin, selected, top).with_context(failed)?;
                drop(transfer);
                self.pack(top, want)
            }
        }
    }

    /// Packs a temporary folder as one archive.
    pub(crate) fn pack(&self, top: &Utf8Path, want: Expected<'_>) -> anyhow::Result<Pin> {
        let failed = || format!("cannot pack item `{}`", want.name);
        let changed = |why: &CacheError| changed(want, why);
        self.pack_folder((top, &[]), want, &failed, &changed)
    }

    fn git_file(
        &self,
        origin: &GitOrigin,
        path: &TreePath,
        want: Expected<'_>,
    ) -> anyhow::Result<Pin> {
        if let Some(pin) = self.cached(want)? {
            return Ok(pin);
        }
        let failed = || unavailable(want.name);
        let transfer = self.fetcher.ui.transfer("fetch", want.name.as_str());
        let (entry, mut blobs) = self.find(origin, path, want.cap).with_context(failed)?;
        let mut incoming = self.incoming(want)?;
        blobs.copy(&entry, &mut |bytes| Ok(incoming.add(bytes)?)).with_context(failed)?;
        let measured = finish(incoming, want, |why| changed(want, why))?;
        transfer.done(measured.size);
        Ok(Pin::plain(&measured))
    }

    /// A file of a commit, with the repository that provides its bytes.
    fn find(
        &self,
        origin: &GitOrigin,
        path: &TreePath,
        cap: ByteSize,
    ) -> anyhow::Result<(Entry, Blobs)> {
        let commit = commit_of(origin)?;
        let repository = self.repository(origin);
        let entries = repository.list(commit, &|_| {})?;
        let entry = entries.into_iter().find(|entry| entry.path == path.as_str().as_bytes());
        let entry = entry.ok_or_else(|| no_such_path("file", path, commit))?;
        match entry.kind {
            Kind::Link => {
                bail!("`{path}` is a link and not a file; name the file that it leads to")
            }
            Kind::Submodule => return Err(git::submodule(&entry.shown())),
            Kind::File | Kind::Program => {}
        }
        if entry.size > cap.bytes() {
            return Err(git::too_large(&entry.shown(), entry.size, cap));
        }
        Ok((entry, repository.blobs(commit)?))
    }

    fn repository<'o>(&self, origin: &'o GitOrigin) -> Repository<'o> {
        let reach = if self.fetcher.client.is_some() { Reach::Network } else { Reach::Here };
        Repository::new(&origin.url, self.base, self.fetcher.cache, reach)
    }
}

/// The size limit of a checkout.
const MAX_CHECKOUT: ByteSize = ByteSize::new(MAX_ITEM);

fn commit_of(origin: &GitOrigin) -> anyhow::Result<&CommitId> {
    origin.revision.commit().ok_or_else(|| git::unresolved(origin))
}

fn no_such_path(what: &str, path: &TreePath, commit: &CommitId) -> anyhow::Error {
    anyhow!("there is no {what} `{path}` in commit {}", &commit.as_str()[..12])
}

fn unavailable(item: &ItemName) -> String {
    format!("cannot get item `{item}` from its git repository")
}

fn changed(want: Expected<'_>, why: &CacheError) -> String {
    format!("the commit does not match item `{}`: {why}", want.name)
}
