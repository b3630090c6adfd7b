use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};

use super::Emulator;
use crate::roots::Root;
use crate::scratch::expect;
use crate::tree::Snapshot;

/// The size of a disk: enough for a node with packages and drivers. The file is sparse.
const SIZE: u64 = 8 << 30;

/// The start of the only partition, behind the space for GRUB.
const START: u64 = 1 << 20;

const SECTOR: u64 = 512;

/// The disk of a machine that is powered off; it is removed on drop.
#[derive(Debug)]
pub struct Disk {
    folder: tempfile::TempDir,
}

/// The file system of a disk, mounted read-only while this value exists.
#[derive(Debug)]
pub struct Tree {
    folder: tempfile::TempDir,
}

impl Disk {
    /// Creates a disk with a partition that contains `root` as ext4, without a boot loader.
    #[must_use]
    pub fn of(emulator: &Emulator, root: &Root) -> Self {
        let disk = Self { folder: tempfile::tempdir().expect("a folder") };
        let raw = disk.path().with_extension("raw");
        let mut file = File::create(&raw).expect("a disk");
        file.set_len(SIZE).expect("a disk");
        file.seek(SeekFrom::Start(446)).expect("a disk");
        file.write_all(&partition()).expect("a partition table");
        let mut mke2fs = Command::new("mke2fs");
        mke2fs.args(["-q", "-t", "ext4", "-E", &format!("offset={START}")]);
        mke2fs.args(["-d", root.path().as_str(), raw.as_str()]);
        mke2fs.arg(format!("{}k", (SIZE - START) / 1024));
        expect(mke2fs, 0);
        convert(emulator, "qcow2", &raw, &disk.path());
        fs::remove_file(raw).expect("a file");
        disk
    }

    /// Creates a disk on top of an image, which must not be changed while the disk exists.
    #[must_use]
    pub fn over(emulator: &Emulator, image: &Utf8Path) -> Self {
        let disk = Self { folder: tempfile::tempdir().expect("a folder") };
        let words = ["create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", image.as_str()];
        let path = disk.path();
        expect(emulator.image(&[&words[..], &[path.as_str()]].concat()), 0);
        disk
    }

    /// Returns a copy of its current state. While the copy exists, this disk must not be changed.
    #[must_use]
    pub fn fork(&self, emulator: &Emulator) -> Self {
        Self::over(emulator, &self.path())
    }

    /// Returns the path of its image.
    #[must_use]
    pub fn path(&self) -> Utf8PathBuf {
        Utf8Path::from_path(self.folder.path()).expect("a UTF-8 path").join("disk.qcow2")
    }

    /// Checks its file system, which must have been unmounted properly, and mounts it.
    #[must_use]
    pub fn tree(&self, emulator: &Emulator) -> Tree {
        let tree = Tree { folder: tempfile::tempdir().expect("a folder") };
        let raw = tree.at("raw");
        convert(emulator, "raw", &self.path(), &raw);
        let mut e2fsck = Command::new("e2fsck");
        e2fsck.args(["-f", "-n", &format!("{raw}?offset={START}")]);
        expect(e2fsck, 0);
        fs::create_dir(tree.at("root")).expect("a folder");
        let mut mount = Command::new("mount");
        mount.args(["-t", "ext4", "-o", &format!("loop,ro,noload,offset={START}")]);
        mount.args([raw.as_str(), tree.at("root").as_str()]);
        expect(mount, 0);
        tree
    }
}

impl Tree {
    fn at(&self, name: &str) -> Utf8PathBuf {
        Utf8Path::from_path(self.folder.path()).expect("a UTF-8 path").join(name)
    }

    /// Returns the place of one of its paths.
    #[must_use]
    pub fn path(&self, path: &str) -> Utf8PathBuf {
        self.at("root").join(path.trim_start_matches('/'))
    }

    /// Returns all its paths.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::of(&self.at("root"), &["lost+found"]).expect("a tree that can be read")
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        // The folder is removed next, by its own drop, and must not contain the tree then.
        let _ = Command::new("umount").arg(self.at("root")).status();
    }
}

fn convert(emulator: &Emulator, format: &str, from: &Utf8Path, to: &Utf8Path) {
    expect(emulator.image(&["convert", "-O", format, from.as_str(), to.as_str()]), 0);
}

/// Returns the part of the boot sector after the code: one active Linux partition and the mark.
fn partition() -> Vec<u8> {
    let sectors = |bytes: u64| u32::try_from(bytes / SECTOR).expect("a small disk").to_le_bytes();
    let mut bytes = vec![0x80, 0xfe, 0xff, 0xff, 0x83, 0xfe, 0xff, 0xff];
    bytes.extend([sectors(START), sectors(SIZE - START)].concat());
    bytes.resize(64, 0);
    bytes.extend([0x55, 0xaa]);
    bytes
}
