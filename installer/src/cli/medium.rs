//! Detection of removable media.

use std::fmt;

use crate::host::real::DeviceNumber;
use crate::host::{HostError, Look};
use crate::state::fixed;

/// Why a file system does not count as part of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Removable {
    /// Its type is one of removable media, without file owners.
    FileSystem(String),
    /// The kernel marks the disk as removable.
    Flag(String),
    /// The disk is attached over USB.
    Usb(String),
}

impl fmt::Display for Removable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FileSystem(kind) => write!(f, "a file system of type {}", kind.escape_debug()),
            Self::Flag(disk) => write!(f, "the removable disk {}", disk.escape_debug()),
            Self::Usb(disk) => write!(f, "the USB disk {}", disk.escape_debug()),
        }
    }
}

/// Checks whether the file system on `device` is on a removable medium.
///
/// A file system shared with the root directory is part of the host, wherever it is.
pub(crate) fn removable(
    look: &dyn Look,
    device: DeviceNumber,
    root: DeviceNumber,
) -> Result<Option<Removable>, HostError> {
    if device == root {
        return Ok(None);
    }
    let mounts = look.text(&fixed("/proc/self/mountinfo"))?.unwrap_or_default();
    if let Some(kind) = kind(&mounts, device).filter(|kind| PORTABLE.contains(kind)) {
        return Ok(Some(Removable::FileSystem(kind.to_owned())));
    }
    let DeviceNumber { major, minor } = device;
    let link = look.link(&fixed(&format!("/sys/dev/block/{major}:{minor}")))?;
    let Some((disk, place)) = link.as_deref().and_then(disk) else { return Ok(None) };
    let flag = look.text(&fixed(&format!("/sys/block/{disk}/removable")))?;
    Ok(if flag.as_deref() == Some("1") {
        Some(Removable::Flag(disk.to_owned()))
    } else if is_usb(place) {
        Some(Removable::Usb(disk.to_owned()))
    } else {
        None
    })
}

/// File system types of removable media. They have no owners.
const PORTABLE: [&str; 9] =
    ["vfat", "msdos", "exfat", "iso9660", "udf", "ntfs", "ntfs3", "fuseblk", "hfsplus"];

/// Returns the type of the file system on `device`, from `/proc/self/mountinfo` (`man 5 proc`).
fn kind(mounts: &str, device: DeviceNumber) -> Option<&str> {
    let number = format!("{}:{}", device.major, device.minor);
    mounts.lines().find_map(|line| {
        let (mount, file_system) = line.split_once(" - ")?;
        (mount.split(' ').nth(2)? == number).then(|| file_system.split(' ').next())?
    })
}

/// Returns the disk's name in `…/block/sdb/sdb1`, the target of a link in `/sys/dev/block`, and
/// the path before it.
fn disk(link: &str) -> Option<(&str, &str)> {
    let (place, names) = link.split_once("/block/")?;
    let disk = names.split('/').next()?;
    let is_name = disk.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_!.".contains(&b));
    (is_name && !disk.is_empty() && !disk.starts_with('.')).then_some((disk, place))
}

/// Checks whether a sysfs path leads through a USB bus, such as `usb2`.
fn is_usb(place: &str) -> bool {
    let number = |part: &str| part.strip_prefix("usb").map(str::to_owned);
    place.split('/').filter_map(number).any(|n| n.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Node;
    use crate::host::testing::MemHost;

    const ROOT: DeviceNumber = DeviceNumber { major: 8, minor: 3 };
    const MOUNTS: &str = "\
22 1 8:3 / / rw,relatime shared:1 - ext4 /dev/sda3 rw,errors=remount-ro
30 22 8:17 / /media/stick rw - vfat /dev/sdb1 rw
31 22 8:33 / /mnt/backup\\040disk rw,noatime shared:5 master:2 - ext4 /dev/sdc1 rw
32 22 8:49 / /data rw - xfs /dev/sdd1 rw
33 22 0:40 / /tank rw - zfs tank rw
34 22 8:65 / /usb rw - ext4 /dev/sde1 rw
";

    fn host() -> MemHost {
        let mut host = MemHost::with_files(&[
            ("/proc/self/mountinfo", MOUNTS),
            ("/sys/block/sdc/removable", "1\n"),
            ("/sys/block/sdd/removable", "0\n"),
            ("/sys/block/sde/removable", "0\n"),
        ]);
        let sata = "../../devices/pci0000:00/0000:00:1f.2/ata1/host0/target0:0:0/0:0:0:0/block";
        let usb = "../../devices/pci0000:00/0000:00:14.0/usb2/2-1/2-1:1.0/host6/target6:0:0/6:0:0:0/block";
        for (number, target) in [
            ("8:33", format!("{sata}/sdc/sdc1")),
            ("8:49", format!("{sata}/sdd/sdd1")),
            ("8:65", format!("{usb}/sde/sde1")),
            ("8:3", format!("{usb}/sda/sda3")),
        ] {
            host.place_node(&format!("/sys/dev/block/{number}"), Node::link(&target), b"");
        }
        host
    }

    #[test]
    fn sticks_discs_and_usb_disks_are_removable_and_nothing_else_is() {
        let at = |major, minor| removable(&host(), DeviceNumber { major, minor }, ROOT).unwrap();
        assert_eq!(at(8, 17), Some(Removable::FileSystem("vfat".to_owned())));
        assert_eq!(at(8, 33), Some(Removable::Flag("sdc".to_owned())));
        assert_eq!(at(8, 65), Some(Removable::Usb("sde".to_owned())));
        assert_eq!(at(8, 49), None, "a second fixed disk");
        assert_eq!(at(0, 40), None, "a ZFS pool has no block device");
        assert_eq!(at(7, 1), None, "nothing is known of it");
    }

    #[test]
    fn a_host_that_itself_boots_from_usb_may_be_changed() {
        assert_eq!(removable(&host(), ROOT, ROOT).unwrap(), None);
    }

    #[test]
    fn no_link_leads_anywhere_else() {
        for bad in ["", "x", "../block/", "a/block/../../x", "a/block/./x", "a/block/a b/x"] {
            assert_eq!(disk(bad), None, "{bad:?}");
        }
        assert_eq!(disk("a/block/cciss!c0d0/p1"), Some(("cciss!c0d0", "a")));
        assert!(!is_usb("devices/usbx/usb-1/xusb2"));
        assert!(is_usb("devices/usb12/1-1"));
    }
}
