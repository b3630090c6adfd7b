//! Writing to a stick: each file is written under a temporary name, synced, then renamed.

use std::fs::{self, File};
use std::io::{self, Read, Write};

use anyhow::Context as _;
use camino::{Utf8Path, Utf8PathBuf};
use vgpu_manifest::{Bundle, CopyError, PIECE, PartSize, Progress, Verified};

use super::Content;

/// A file that gets its name when it is complete, and is removed if it never is.
struct Pending {
    file: File,
    temporary: Utf8PathBuf,
    name: Utf8PathBuf,
    finished: bool,
}

impl Pending {
    fn create(name: &Utf8Path) -> io::Result<Self> {
        let temporary = temporary(name);
        // An interrupted run may have left a file under this reserved name.
        match fs::remove_file(&temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = File::options().write(true).create_new(true).open(&temporary)?;
        Ok(Self { file, temporary, name: name.to_owned(), finished: false })
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    fn finish(mut self) -> io::Result<()> {
        fs::rename(&self.temporary, &self.name)?;
        self.finished = true;
        Ok(())
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if !self.finished {
            // A failure cannot be reported from here; the name marks the file as incomplete.
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

fn temporary(name: &Utf8Path) -> Utf8PathBuf {
    Utf8PathBuf::from(format!("{name}.partial"))
}

/// Writes `content` to the file at `path`.
pub(crate) fn put(path: &Utf8Path, content: &Content) -> anyhow::Result<()> {
    let write = || -> io::Result<()> {
        let mut pending = Pending::create(path)?;
        content.write(&mut pending.file)?;
        pending.sync()?;
        pending.finish()
    };
    write().with_context(|| format!("cannot write `{path}`"))
}

/// Writes the bundle to the files `paths` of `part` bytes each, except for the last.
pub(crate) fn write_archive(
    bundle: &Bundle<Verified>,
    paths: &[Utf8PathBuf],
    part: Option<PartSize>,
    progress: &Progress<'_>,
) -> anyhow::Result<()> {
    let cannot_write = |path: &Utf8Path| format!("cannot write `{path}`");
    let mut open = Vec::new();
    for path in paths {
        open.push(Pending::create(path).with_context(|| cannot_write(path))?);
    }
    let mut files: Vec<&File> = open.iter().map(|pending| &pending.file).collect();
    let mut writer = Parts::new(&mut files, part);
    bundle.copy_archive(&mut writer, progress).with_context(|| cannot_copy(paths))?;
    for pending in &open {
        pending.sync().with_context(|| cannot_write(&pending.name))?;
    }
    // Renamed last, so that an incomplete bundle never has its name.
    for pending in open {
        let name = pending.name.clone();
        pending.finish().with_context(|| cannot_write(&name))?;
    }
    Ok(())
}

fn cannot_copy(paths: &[Utf8PathBuf]) -> String {
    let folder = paths.first().and_then(|path| path.parent()).unwrap_or(Utf8Path::new("."));
    format!("cannot copy the bundle to `{folder}`")
}

/// Checks whether `parts`, which have the right lengths, already have the bundle.
pub(crate) fn same_archive(
    bundle: &Bundle<Verified>,
    parts: impl Iterator<Item = impl Read>,
    part: Option<PartSize>,
    progress: &Progress<'_>,
) -> anyhow::Result<bool> {
    let mut parts: Vec<_> = parts.map(Compare).collect();
    let mut writer = Parts::new(&mut parts, part);
    match bundle.copy_archive(&mut writer, progress) {
        Ok(()) => Ok(true),
        // The comparison failed, not the bundle.
        Err(CopyError::Write(_)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Checks whether the file at `path` has exactly this content; `None` if there is no file.
pub(crate) fn same_content(path: &Utf8Path, content: &Content) -> anyhow::Result<Option<bool>> {
    let same = match File::open(path) {
        Ok(file) => content.is(file).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    };
    same.with_context(|| format!("cannot read `{path}`"))
}

/// A writer that compares with what it reads.
struct Compare<R>(R);

impl<R: Read> Write for Compare<R> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut there = vec![0; bytes.len().min(PIECE)];
        self.0.read_exact(&mut there)?;
        if bytes.starts_with(&there) {
            Ok(there.len())
        } else {
            Err(io::Error::other("it has other bytes"))
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A writer that fills one file after the other.
struct Parts<'w, W> {
    files: &'w mut [W],
    part: u64,
    at: u64,
}

impl<'w, W> Parts<'w, W> {
    fn new(files: &'w mut [W], part: Option<PartSize>) -> Self {
        Self { files, part: part.map_or(u64::MAX, PartSize::bytes), at: 0 }
    }
}

impl<W: Write> Write for Parts<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = self.part - self.at % self.part;
        let len = usize::try_from(room).unwrap_or(usize::MAX).min(bytes.len());
        let index = usize::try_from(self.at / self.part).unwrap_or(usize::MAX);
        let file = self.files.get_mut(index).ok_or(io::ErrorKind::WriteZero)?;
        let written = file.write(&bytes[..len])?;
        self.at += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_filled_one_after_the_other() {
        let mut files = [Vec::new(), Vec::new(), Vec::new()];
        let mut parts = Parts { files: &mut files, part: 4, at: 0 };
        for piece in ["a", "bcdef", "", "ghi"] {
            parts.write_all(piece.as_bytes()).unwrap();
        }
        assert_eq!(files, [b"abcd".to_vec(), b"efgh".to_vec(), b"i".to_vec()]);
        let mut parts = Parts { files: &mut files[..1], part: 4, at: 4 };
        assert!(parts.write_all(b"x").is_err());
    }

    #[test]
    fn a_file_gets_its_name_when_it_is_complete() {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(dir.path()).unwrap().join("a");
        fs::write(&path, "before").unwrap();
        fs::write(temporary(&path), "of a run that was cut off").unwrap();
        let mut pending = Pending::create(&path).unwrap();
        pending.file.write_all(b"half").unwrap();
        drop(pending);
        assert_eq!(fs::read(&path).unwrap(), b"before");
        assert!(!temporary(&path).exists());
        let text = |text: &str| Content::Text(text.into());
        put(&path, &text("after")).unwrap();
        assert_eq!(same_content(&path, &text("after")).unwrap(), Some(true));
        assert_eq!(same_content(&path, &text("afte")).unwrap(), Some(false));
        assert_eq!(same_content(&path, &text("after!")).unwrap(), Some(false));
        assert_eq!(same_content(&path.with_extension("x"), &text("")).unwrap(), None);
    }
}
