//! Writing a bundle to a stick and reading it back.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read as _};

use anyhow::{Context as _, anyhow, bail};
use camino::{Utf8Path, Utf8PathBuf};
use vgpu_keys::Policy;
use vgpu_manifest::{Bundle, Verified};

use super::contents::{PAGE, Small};
use crate::stick::{self, Content, Found, FromMedium, Image, PAGE_HEAD, Parts, Piece, Plan, Watch};
use crate::ui::{Advise as _, Ui};

#[derive(Clone, Copy)]
pub(super) struct Copy<'c> {
    pub(super) ui: &'c Ui,
    pub(super) bundle: &'c Bundle<Verified>,
    pub(super) folder: &'c Utf8Path,
    pub(super) parts: &'c Parts,
}

impl Copy<'_> {
    /// Returns the pieces to write, given the files on the stick.
    pub(super) fn plan(self, small: &[Small]) -> anyhow::Result<Plan> {
        let mut pieces = self.look()?;
        for file in small {
            let found = look_at(&self.folder.join(&file.name), &file.content)?;
            pieces.push(Piece { name: file.name.clone(), size: file.content.size(), found });
        }
        Ok(Plan { pieces, leftover: self.leftover()? })
    }

    /// Writes missing files.
    pub(super) fn write(self, plan: &Plan, small: &[Small]) -> anyhow::Result<()> {
        let to_write: BTreeSet<&str> = plan.to_write().map(|piece| piece.name.as_str()).collect();
        if self.parts.0.iter().any(|(name, _)| to_write.contains(name.as_str())) {
            let total = self.bundle.total();
            let transfer = self.ui.transfer("write", self.name());
            transfer.expect(Some(total), 0);
            let progress = |bytes| transfer.advance(bytes);
            stick::write_archive(self.bundle, &self.paths(), self.parts.1, &progress)
                .hint("existing files are unchanged; no incomplete bundle has its final name")?;
            transfer.done(total);
        }
        for name in &plan.leftover {
            let path = self.folder.join(name);
            fs::remove_file(&path).with_context(|| format!("cannot remove `{path}`"))?;
            self.ui.note(format_args!("removed `{path}`, a part of an earlier copy"));
        }
        for file in small.iter().filter(|file| to_write.contains(file.name.as_str())) {
            stick::put(&self.folder.join(&file.name), &file.content)?;
        }
        sync(self.folder).with_context(|| format!("cannot sync `{}`", self.folder))
    }

    /// Reads everything back.
    pub(super) fn read_back(self, small: &[Small], policy: &Policy) -> anyhow::Result<FromMedium> {
        let mut paths = self.paths();
        paths.extend(small.iter().map(|file| self.folder.join(&file.name)));
        stick::forget(&paths)?;
        let watch = Watch::begin();
        for file in small {
            stick::read_small(&self.folder.join(&file.name), &file.content)?;
        }
        let first = &paths[0];
        let there = Bundle::open(first).and_then(|opened| opened.verify(policy));
        let there = there.or_else(|error| stick::differs(first, error))?;
        if there.digest() != self.bundle.digest() {
            return stick::differs(first, anyhow!("it is another bundle"));
        }
        let payload = self.bundle.manifest().carried_bytes();
        let transfer = self.ui.transfer("read back", self.name());
        transfer.expect(Some(payload), 0);
        let progress = |bytes| transfer.advance(bytes);
        there.check(&progress).or_else(|error| stick::differs(first, error))?;
        transfer.done(payload);
        Ok(watch.end(payload))
    }

    /// Reads everything back from an image.
    pub(super) fn read_back_image(
        self,
        image: &Image,
        small: &[Small],
    ) -> anyhow::Result<FromMedium> {
        let path = image.path();
        stick::forget(&[path.to_owned()])?;
        let watch = Watch::begin();
        for file in small {
            let same = file.content.is(image.read(&file.name)?);
            if !same.with_context(|| format!("cannot read back `{path}`"))? {
                return stick::differs(path, anyhow!("`{}` has other bytes", file.name));
            }
        }
        let parts = self.parts.0.iter().map(|(name, _)| image.read(name));
        let parts: Vec<_> = parts.collect::<anyhow::Result<_>>()?;
        let total = self.bundle.total();
        let transfer = self.ui.transfer("read back", self.name());
        transfer.expect(Some(total), 0);
        let progress = |bytes| transfer.advance(bytes);
        if !stick::same_archive(self.bundle, parts.into_iter(), self.parts.1, &progress)? {
            return stick::differs(path, anyhow!("the bundle has other bytes"));
        }
        transfer.done(total);
        Ok(watch.end(total))
    }

    fn name(&self) -> &str {
        self.parts.0.first().map_or("", |(name, _)| name)
    }

    fn paths(&self) -> Vec<Utf8PathBuf> {
        self.parts.0.iter().map(|(name, _)| self.folder.join(name)).collect()
    }

    fn look(self) -> anyhow::Result<Vec<Piece>> {
        let mut lengths = Vec::new();
        for path in self.paths() {
            lengths.push(length(&path)?);
        }
        let parts = || self.parts.0.iter().zip(&lengths);
        let same = parts().all(|((_, size), len)| *len == Some(*size)) && {
            let transfer = self.ui.transfer("compare", self.name());
            transfer.expect(Some(self.bundle.total()), 0);
            let progress = |bytes| transfer.advance(bytes);
            let mut files = Vec::new();
            for path in self.paths() {
                files.push(File::open(&path).with_context(|| format!("cannot read `{path}`"))?);
            }
            stick::same_archive(self.bundle, files.iter(), self.parts.1, &progress)?
        };
        let found = |len: &Option<u64>| match len {
            None => Found::Nothing,
            Some(_) if same => Found::Same,
            Some(_) => Found::Other,
        };
        let piece = |((name, size), len): (&(String, u64), _)| Piece {
            name: name.clone(),
            size: *size,
            found: found(len),
        };
        Ok(parts().map(piece).collect())
    }

    /// Returns parts of an earlier copy that would be taken for parts of this one.
    fn leftover(self) -> anyhow::Result<Vec<String>> {
        let cannot_list = || format!("cannot list `{}`", self.folder);
        let whole = self.bundle.manifest().file_name();
        let mut names = Vec::new();
        for entry in self.folder.read_dir_utf8().with_context(cannot_list)? {
            let found = entry.with_context(cannot_list)?.file_name().to_owned();
            let number = found.strip_prefix(&whole).and_then(|rest| rest.strip_prefix('.'));
            let is_part =
                number.is_some_and(|it| it.len() == 3 && it.bytes().all(|b| b.is_ascii_digit()));
            if is_part && !self.parts.0.iter().any(|(part, _)| *part == found) {
                names.push(found);
            }
        }
        names.sort_unstable();
        Ok(names)
    }
}

fn length(path: &Utf8Path) -> anyhow::Result<Option<u64>> {
    match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_file() => Ok(Some(meta.len())),
        Ok(_) => bail!("`{path}` exists, and is not a regular file"),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot inspect `{path}`")),
    }
}

fn look_at(path: &Utf8Path, content: &Content) -> anyhow::Result<Found> {
    if length(path)?.is_none() {
        return Ok(Found::Nothing);
    }
    Ok(match stick::same_content(path, content)? {
        None => Found::Nothing,
        Some(true) => Found::Same,
        Some(false) if is_page(path) => Found::Outdated,
        Some(false) => Found::Other,
    })
}

/// Checks whether a file is the page that this program wrote for another bundle.
fn is_page(path: &Utf8Path) -> bool {
    let mut head = [0; PAGE_HEAD.len()];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut head));
    path.file_name() == Some(PAGE) && read.is_ok() && head == PAGE_HEAD.as_bytes()
}

/// Syncs contents and names to the medium.
fn sync(folder: &Utf8Path) -> io::Result<()> {
    let folder = File::open(folder)?;
    folder.sync_all()?;
    #[cfg(target_os = "linux")]
    rustix::fs::syncfs(&folder)?;
    Ok(())
}
