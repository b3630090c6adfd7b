use std::{fs, io};

use camino::{Utf8Path, Utf8PathBuf};

/// A folder that becomes the root of a simulated node.
#[derive(Debug)]
pub struct Root {
    folder: Utf8PathBuf,
}

impl Root {
    /// Returns the root in this folder, which is created if necessary.
    pub fn new(folder: &Utf8Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        Ok(Self { folder: folder.to_owned() })
    }

    /// Returns the location of a path of the node.
    #[must_use]
    pub fn at(&self, path: &str) -> Utf8PathBuf {
        self.folder.join(path.trim_start_matches('/'))
    }

    /// Writes a file and creates its parent folders.
    pub fn file(&mut self, path: &str, content: impl AsRef<[u8]>) -> io::Result<()> {
        fs::write(self.make_parent(path)?, content)
    }

    /// Creates a folder and its parent folders.
    pub fn dir(&mut self, path: &str) -> io::Result<()> {
        fs::create_dir_all(self.at(path))
    }

    /// Creates a symlink and its parent folders.
    pub fn link(&mut self, path: &str, target: &str) -> io::Result<()> {
        std::os::unix::fs::symlink(target, self.make_parent(path)?)
    }

    /// Creates a symlink to another path of the node as sysfs does: relative, up to the common
    /// folder.
    pub fn relative_link(&mut self, path: &str, target: &str) -> io::Result<()> {
        let parts =
            |path: &str| path.trim_start_matches('/').split('/').map(str::to_owned).collect();
        let (from, to): (Vec<String>, Vec<String>) = (parts(path), parts(target));
        let common = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
        let up = vec!["..".to_owned(); from.len() - 1 - common];
        self.link(path, &[up, to[common..].to_vec()].concat().join("/"))
    }

    fn make_parent(&self, path: &str) -> io::Result<Utf8PathBuf> {
        let path = self.at(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        Ok(path)
    }
}
