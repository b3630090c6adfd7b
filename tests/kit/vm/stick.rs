use std::fs::{self, File};
use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};

use crate::scratch::expect;

/// A stick with a FAT32 file system, which is plugged in as a removable disk.
#[derive(Debug)]
pub struct Stick {
    folder: tempfile::TempDir,
}

/// The label of its file system, by which a node finds it.
pub(super) const LABEL: &str = "STICK";

impl Stick {
    /// Returns an empty stick.
    #[must_use]
    pub fn new(mib: u64) -> Self {
        let stick = Self { folder: tempfile::tempdir().expect("a folder") };
        File::create(stick.path()).expect("a stick").set_len(mib << 20).expect("a stick");
        stick.tool("mformat", &["-F", "-v", LABEL, "::"]);
        stick
    }

    /// Returns a copy, for another machine.
    #[must_use]
    pub fn copy(&self) -> Self {
        let copy = Self { folder: tempfile::tempdir().expect("a folder") };
        fs::copy(self.path(), copy.path()).expect("a stick");
        copy
    }

    pub(super) fn path(&self) -> Utf8PathBuf {
        Utf8Path::from_path(self.folder.path()).expect("a UTF-8 path").join("stick")
    }

    /// Copies the contents of a folder to it.
    pub fn put(&self, folder: &Utf8Path) {
        for entry in folder.read_dir_utf8().expect("a folder") {
            self.tool("mcopy", &["-s", "-o", entry.expect("a file").path().as_str(), "::/"]);
        }
    }

    /// Copies one of its files to this machine.
    pub fn get(&self, name: &str, to: &Utf8Path) {
        self.tool("mcopy", &["-n", &format!("::/{name}"), to.as_str()]);
    }

    fn tool(&self, program: &str, words: &[&str]) {
        let mut command = Command::new(program);
        command.args(["-i", self.path().as_str()]).args(words);
        expect(command, 0);
    }
}
