//! The limits of a medium. Tests replace [`Medium`], because they cannot mount a FAT32 stick.

use std::io;

use camino::Utf8Path;

/// The kind of a file system, where it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FileSystem {
    /// FAT12, FAT16 or FAT32: a file has at most 4 GiB − 1 byte.
    Fat,
    ExFat,
    Other,
}

impl FileSystem {
    /// Returns the length of the largest file in bytes, if that is a limit in practice.
    fn largest_file(self) -> Option<u64> {
        (self == Self::Fat).then_some(u64::from(u32::MAX))
    }

    /// Returns the kind for a magic number of `statfs(2)`.
    fn from_magic(magic: u64) -> Self {
        match magic {
            // MSDOS_SUPER_MAGIC and EXFAT_SUPER_MAGIC of `linux/magic.h`.
            0x4d44 => Self::Fat,
            0x2011_bab0 => Self::ExFat,
            _ => Self::Other,
        }
    }
}

/// The limits of the file system of a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Facts {
    /// The length of the largest file in bytes, if that is a limit in practice.
    pub(crate) largest_file: Option<u64>,
    /// The bytes that an unprivileged user can still write.
    pub(crate) free: u64,
    /// The allocation unit, in bytes.
    pub(crate) unit: u64,
}

/// A source of facts about media.
pub(crate) trait Medium {
    /// Returns the limits of the file system of `folder`.
    fn facts(&self, folder: &Utf8Path) -> io::Result<Facts>;
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Machine;

impl Medium for Machine {
    fn facts(&self, folder: &Utf8Path) -> io::Result<Facts> {
        let stat = rustix::fs::statvfs(folder.as_std_path())?;
        let free = stat.f_bavail.saturating_mul(stat.f_frsize);
        let largest_file = kind(folder)?.largest_file();
        Ok(Facts { largest_file, free, unit: stat.f_frsize.max(1) })
    }
}

#[cfg(target_os = "linux")]
fn kind(folder: &Utf8Path) -> io::Result<FileSystem> {
    let magic = rustix::fs::statfs(folder.as_std_path())?.f_type;
    // The kernel's numbers have 32 bits, in a field of which the width depends on the machine.
    Ok(FileSystem::from_magic(u64::try_from(magic).unwrap_or_default() & 0xffff_ffff))
}

#[cfg(not(target_os = "linux"))]
fn kind(_: &Utf8Path) -> io::Result<FileSystem> {
    // `--part-size` overrides this.
    Ok(FileSystem::Other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_systems_of_sticks_are_known_by_their_numbers() {
        assert_eq!(FileSystem::from_magic(0x4d44), FileSystem::Fat);
        assert_eq!(FileSystem::from_magic(0x2011_bab0), FileSystem::ExFat);
        assert_eq!(FileSystem::from_magic(0xef53), FileSystem::Other);
        assert_eq!(FileSystem::Fat.largest_file(), Some((4 << 30) - 1));
        assert_eq!(FileSystem::ExFat.largest_file(), None);
    }

    #[test]
    fn this_machine_has_room_somewhere() {
        let here = Machine.facts(Utf8Path::new("/")).unwrap();
        assert!(here.unit.is_power_of_two() && here.free > 0, "{here:?}");
    }
}
