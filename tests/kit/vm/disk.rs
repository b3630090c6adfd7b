use std::fs::{self, File};
use std::io::Write;
use std::process::{Command, Stdio};

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::Value;

use super::firmware::{ESP_START, SECTOR, SIZE, START};
use super::{Emulator, Firmware};
use crate::roots::Root;
use crate::scratch::{expect, run};
use crate::tree::Snapshot;

/// The name of the image.
const IMAGE: &str = "disk.qcow2";

/// The name of the file with the firmware's variables.
const VARIABLES: &str = "variables.fd";

/// The disk of a machine that is powered off, with the variables of its firmware; they are removed on
/// drop.
#[derive(Debug)]
pub struct Disk {
    folder: tempfile::TempDir,
    firmware: Firmware,
}

/// The file systems of a disk, mounted read-only while this value exists.
#[derive(Debug)]
pub struct Tree {
    folder: tempfile::TempDir,
}

impl Disk {
    fn new(firmware: Firmware) -> Self {
        Self { folder: tempfile::tempdir().expect("a folder"), firmware }
    }

    /// Creates a disk with a partition that contains `root` as ext4, without a boot loader.
    #[must_use]
    pub fn of(emulator: &Emulator, root: &Root, firmware: Firmware) -> Self {
        let disk = Self::new(firmware);
        let raw = disk.path().with_extension("raw");
        File::create(&raw).expect("a disk").set_len(SIZE).expect("a disk");
        let mut sfdisk = Command::new("sfdisk");
        sfdisk.args(["--quiet", raw.as_str()]).stdin(Stdio::piped());
        let mut child = sfdisk.spawn().expect("sfdisk");
        let table = firmware.table();
        child.stdin.take().expect("a pipe").write_all(table.as_bytes()).expect("a table");
        assert!(child.wait().expect("sfdisk").success());
        firmware.format_esp(&raw);
        let mut mke2fs = Command::new("mke2fs");
        mke2fs.args(["-q", "-t", "ext4", "-E", &format!("offset={START}")]);
        mke2fs.args(["-d", root.path().as_str(), raw.as_str()]);
        mke2fs.arg(format!("{}k", firmware.root_size() / 1024));
        expect(mke2fs, 0);
        convert(emulator, "qcow2", &raw, &disk.path());
        fs::remove_file(raw).expect("a file");
        if let Some((_, variables)) = emulator.firmware(firmware) {
            fs::copy(variables, disk.variables()).expect("variables");
        }
        disk
    }

    /// Creates a disk on top of one that [`Self::save`] has written, which must not be changed while
    /// the disk exists.
    #[must_use]
    pub fn over(emulator: &Emulator, folder: &Utf8Path, firmware: Firmware) -> Self {
        let disk = Self::new(firmware);
        let image = folder.join(IMAGE);
        let words = ["create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", image.as_str()];
        let path = disk.path();
        expect(emulator.image(&[&words[..], &[path.as_str()]].concat()), 0);
        disk.take_variables(folder);
        disk
    }

    /// Copies it to a folder.
    pub fn save(&self, folder: &Utf8Path) {
        fs::copy(self.path(), folder.join(IMAGE)).expect("a copy");
        if self.firmware.has_esp() {
            fs::copy(self.variables(), folder.join(VARIABLES)).expect("a copy");
        }
    }

    fn take_variables(&self, folder: &Utf8Path) {
        if self.firmware.has_esp() {
            fs::copy(folder.join(VARIABLES), self.variables()).expect("variables");
        }
    }

    /// Returns a copy of its current state. While the copy exists, this disk must not be changed.
    #[must_use]
    pub fn fork(&self, emulator: &Emulator) -> Self {
        Self::over(emulator, self.folder(), self.firmware)
    }

    /// Returns a copy of its image file as it is now: while a machine that uses it is paused, the disk
    /// as a power cut at this moment leaves it.
    #[must_use]
    pub fn copy(&self) -> Self {
        let copy = Self::new(self.firmware);
        self.save(copy.folder());
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

    fn folder(&self) -> &Utf8Path {
        Utf8Path::from_path(self.folder.path()).expect("a UTF-8 path")
    }

    /// Returns the path of its image.
    #[must_use]
    pub fn path(&self) -> Utf8PathBuf {
        self.folder().join(IMAGE)
    }

    /// Returns the firmware that starts it.
    pub(super) fn firmware(&self) -> Firmware {
        self.firmware
    }

    /// Returns the path of the firmware's variables.
    pub(super) fn variables(&self) -> Utf8PathBuf {
        self.folder().join(VARIABLES)
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
        let options = format!("loop,ro,noload,offset={START}");
        tree.mount(&["-t", "ext4", "-o", &options, raw.as_str()], "root");
        if self.firmware.has_esp() {
            // The kernel of this machine may not know FAT.
            fs::create_dir(tree.at("esp")).expect("a folder");
            let mut mcopy = Command::new("mcopy");
            mcopy.args(["-s", "-n", "-i", &format!("{raw}@@{ESP_START}"), "::*"]);
            mcopy.arg(tree.at("esp"));
            expect(mcopy, 0);
            tree.mount(&["--bind", tree.at("esp").as_str()], "root/boot/efi");
        }
        tree
    }
}

impl Tree {
    fn at(&self, name: &str) -> Utf8PathBuf {
        Utf8Path::from_path(self.folder.path()).expect("a UTF-8 path").join(name)
    }

    fn mount(&self, words: &[&str], at: &str) {
        let mut mount = Command::new("mount");
        mount.args(words).arg(self.at(at));
        expect(mount, 0);
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
        let _ = Command::new("umount").args(["--recursive", self.at("root").as_str()]).status();
    }
}

fn convert(emulator: &Emulator, format: &str, from: &Utf8Path, to: &Utf8Path) {
    expect(emulator.image(&["convert", "-O", format, from.as_str(), to.as_str()]), 0);
}
