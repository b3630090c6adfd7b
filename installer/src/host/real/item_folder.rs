//! A folder with items by their identity that is not the store of this host: a copy of another one.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;

use camino::{Utf8Path, Utf8PathBuf};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;

use super::{Staging, tree};
use crate::host::Content;

/// An open folder of items, which may be on a medium or on a network file system, and may be hostile.
///
/// Its files are only taken through [`take`](Self::take), which compares their digests.
#[derive(Debug)]
pub(crate) struct ItemFolder {
    dir: OwnedFd,
    path: Utf8PathBuf,
}

impl ItemFolder {
    /// Opens the folder at `path`; `None` if a file is there.
    pub(crate) fn open(path: &Utf8Path) -> io::Result<Option<Self>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        match rustix::fs::openat(CWD, path.as_std_path(), flags, Mode::empty()) {
            Ok(dir) => Ok(Some(Self { dir, path: path.to_owned() })),
            Err(Errno::NOTDIR) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Returns the path as the operator gave it.
    pub(crate) fn path(&self) -> &Utf8Path {
        &self.path
    }

    /// Copies the item with this content into the store, and compares its digest on the way. Returns
    /// whether the folder has such a file.
    ///
    /// # Errors
    ///
    /// The file is not a regular file of this size with this content, or cannot be read or written.
    /// Nothing of it is in the store then.
    pub(crate) fn take(&self, content: Content, staging: &Staging) -> io::Result<bool> {
        // A link could lead to any file of this host, and a FIFO would wait for a writer.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
        let name = content.id.to_string();
        let file = match tree::open_child(&self.dir, &name, flags) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => {
                return Err(io::Error::other("it is a symbolic link"));
            }
            file => file?,
        };
        tree::require_regular(&file)?;
        let size = u64::try_from(rustix::fs::fstat(&file)?.st_size).unwrap_or_default();
        if size != content.size {
            let text = format!("it has {size} bytes instead of {}", content.size);
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        // The file may still grow while it is read.
        staging.take(content, &mut File::from(file).take(content.size + 1))?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::host::{Exec, OwnState, RealHost};
    use crate::state;

    #[test]
    fn only_a_regular_file_with_the_content_of_its_name_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| Utf8Path::from_path(dir.path()).unwrap().join(name);
        fs::create_dir_all(path("root/var/lib")).unwrap();
        let mut host = RealHost::open(&path("root"), Exec::Record).unwrap();
        OwnState::of(&mut host).prepare().unwrap();
        fs::create_dir(path("items")).unwrap();
        let of = |text: &str| Content::of(text.as_bytes());
        let item = |text: &str| path("items").join(of(text).id.to_string());
        fs::write(item("good"), "good").unwrap();
        fs::write(item("bad"), "dab").unwrap();
        fs::write(item("long"), "longer").unwrap();
        fs::create_dir(item("folder")).unwrap();
        symlink(item("good"), item("link")).unwrap();
        rustix::fs::mkfifoat(CWD, item("fifo").as_std_path(), Mode::RUSR).unwrap();

        let folder = ItemFolder::open(&path("items")).unwrap().unwrap();
        let staging = host.staging().unwrap();
        assert!(folder.take(of("good"), &staging).unwrap());
        assert!(!folder.take(of("absent"), &staging).unwrap());
        for (text, why) in [
            ("bad", "digest mismatch"),
            ("long", "it has 6 bytes instead of 4"),
            ("folder", "not a regular file"),
            ("link", "it is a symbolic link"),
            ("fifo", "not a regular file"),
        ] {
            for _ in 0..2 {
                let error = folder.take(of(text), &staging).unwrap_err();
                assert_eq!(error.to_string(), why, "{text}");
            }
        }
        staging.finish().unwrap();
        let store = path("root").join(state::store().as_path().as_str().trim_start_matches('/'));
        let names = fs::read_dir(store).unwrap().map(|entry| entry.unwrap().file_name());
        assert_eq!(names.collect::<Vec<_>>(), [of("good").id.to_string().as_str()]);
        assert!(ItemFolder::open(&item("good")).unwrap().is_none());
        assert!(ItemFolder::open(&path("nowhere")).is_err());
    }
}
