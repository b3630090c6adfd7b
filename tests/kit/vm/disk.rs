use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::Value;

use super::Emulator;
use crate::roots::Root;
use crate::scratch::{expect, run};
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

    /// Returns a copy of its image file as it is now: while a machine that uses it is paused, the disk
    /// as a power cut at this moment leaves it.
    #[must_use]
    pub fn copy(&self) -> Self {
        let copy = Self { folder: tempfile::tempdir().expect("a folder") };
        fs::copy(self.path(), copy.path()).expect("a copy");
        copy
    }

    /// Returns how much of the written data a power cut has lost, in bytes: the image file has it, but
    /// no table of the image leads to it.
    #[must_use]
    pub fn lost(&self, emulator: &Emulator) -> u64 {
        let path = self.path();
        let check = run(emulator.image(&["check", "-f", "qcow2", "--output=json", path.as_str()]));
        // 3: nothing but unused clusters.
        assert!(matches!(check.code, Some(0 | 3)), "{check:?}");
        let found: Value = serde_json::from_str(&check.out).expect("JSON");
        let end = found["image-end-offset"].as_u64().expect("an offset");
        fs::metadata(path).expect("an image").len().saturating_sub(end)
    }

    /// Returns `len` bytes at an offset of the disk that a machine would see.
    #[must_use]
    pub fn read(&self, emulator: &Emulator, at: u64, len: u64) -> Vec<u8> {
        let piece = self.path().with_extension("piece");
        let words = |name: &str, value: &dyn std::fmt::Display| format!("{name}={value}");
        let (from, to) = (words("if", &self.path()), words("of", &piece));
        let (size, skip) = (words("bs", &SECTOR), words("skip", &(at / SECTOR)));
        let count = words("count", &(at / SECTOR + len.div_ceil(SECTOR)));
        let words = ["dd", "-f", "qcow2", "-O", "raw", &from, &to, &size, &skip, &count];
        expect(emulator.image(&words), 0);
        let mut bytes = fs::read(&piece).expect("a piece");
        fs::remove_file(piece).expect("a piece");
        bytes.truncate(usize::try_from(len).expect("a small piece"));
        bytes
    }

    /// Returns the path of its image.
    #[must_use]
    pub fn path(&self) -> Utf8PathBuf {
        Utf8Path::from_path(self.folder.path()).expect("a UTF-8 path").join("disk.qcow2")
    }

    /// Replays the journal of its file system in a copy, as the kernel does at the next boot, checks
    /// that nothing else is wrong, and mounts it.
    #[must_use]
    pub fn tree(&self, emulator: &Emulator) -> Tree {
        let tree = Tree { folder: tempfile::tempdir().expect("a folder") };
        let raw = tree.at("raw");
        convert(emulator, "raw", &self.path(), &raw);
        let e2fsck = |words: &[&str]| {
            let mut command = Command::new("e2fsck");
            command.args(words).arg(format!("{raw}?offset={START}"));
            run(command)
        };
        let replayed = e2fsck(&["-p"]);
        assert!(matches!(replayed.code, Some(0 | 1)), "{replayed:?}");
        let checked = e2fsck(&["-f", "-n"]);
        assert_eq!(checked.code, Some(0), "{checked:?}");
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
