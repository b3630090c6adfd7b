//! Detection of removable media.

use std::fmt;

use camino::Utf8Path;
use vgpu_manifest::HostPath;

use crate::host::real::DeviceNumber;
use crate::host::{HostError, Look};
use crate::state::{self, fixed};

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
    let text = look.text(&fixed("/proc/self/mountinfo"))?.unwrap_or_default();
    Mounts { look, text: &text, root }.on(device, DEPTH)
}

/// Returns the mount points of removable media.
///
/// The file system of the root directory is none, wherever it is.
pub(super) fn mounted(look: &dyn Look) -> Result<Vec<String>, HostError> {
    let text = look.text(&fixed("/proc/self/mountinfo"))?.unwrap_or_default();
    let Some(root) = Mount::at("/", &text).map(|mount| mount.device) else { return Ok(Vec::new()) };
    let mounts = Mounts { look, text: &text, root };
    let mut points = Vec::new();
    for mount in mounts.all() {
        if mounts.on(mount.device, DEPTH)?.is_some() {
            points.push(mount.point);
        }
    }
    Ok(points)
}

/// The number of devices on top of each other that are followed. An image on an encrypted logical
/// volume has four.
const DEPTH: usize = 16;

/// The mounts of this machine.
#[derive(Clone, Copy)]
struct Mounts<'m> {
    look: &'m dyn Look,
    /// `/proc/self/mountinfo`.
    text: &'m str,
    root: DeviceNumber,
}

impl<'m> Mounts<'m> {
    fn all(self) -> impl Iterator<Item = Mount<'m>> {
        self.text.lines().filter_map(Mount::parse)
    }

    /// Returns the mount that has the file at `path`.
    fn with(self, path: &str) -> Option<Mount<'m>> {
        Mount::at(path, self.text)
    }

    /// Checks the file system on a device.
    fn on(self, device: DeviceNumber, depth: usize) -> Result<Option<Removable>, HostError> {
        if device == self.root || depth == 0 {
            return Ok(None);
        }
        let mut mount = self.all().find(|mount| mount.device == device);
        if mount.is_none() && device.major == 0 {
            // The files of a subvolume of Btrfs have a number that no mount has.
            let program = self.look.link(&fixed("/proc/self/exe"))?;
            mount = program.and_then(|program| self.with(&program));
        }
        if let Some(kind) = mount.as_ref().map(|mount| mount.kind)
            && PORTABLE.contains(&kind)
        {
            return Ok(Some(Removable::FileSystem(kind.to_owned())));
        }
        let DeviceNumber { major, minor } = device;
        let number = fixed(&format!("/sys/dev/block/{major}:{minor}"));
        match (self.look.link(&number)?, mount) {
            (Some(link), _) => self.block(&link, depth),
            (None, Some(mount)) => self.source(mount.source, depth),
            (None, None) => Ok(None),
        }
    }

    /// Checks the device that a mount names as its source.
    fn source(self, source: &str, depth: usize) -> Result<Option<Removable>, HostError> {
        let root = self.with("/").map(|mount| mount.source);
        let Some(path) = HostPath::new(source).ok().filter(|_| source.starts_with("/dev/")) else {
            return Ok(None);
        };
        if root == Some(source) {
            return Ok(None);
        }
        let target = self.look.link(&path)?;
        let name = target.as_deref().unwrap_or(source).rsplit('/').next().unwrap_or_default();
        self.named(name, depth)
    }

    fn named(self, name: &str, depth: usize) -> Result<Option<Removable>, HostError> {
        let path = state::below_dir(&fixed("/sys/class/block"), name);
        match self.look.link(&path)? {
            Some(link) => self.block(&link, depth),
            None => Ok(None),
        }
    }

    /// Checks the block device that a link of sysfs leads to, and the devices below it: those of
    /// dm-crypt, LVM and MD, and the file of a loop device.
    fn block(self, link: &str, depth: usize) -> Result<Option<Removable>, HostError> {
        let Some((disk, place)) = disk(link).filter(|_| depth > 0) else { return Ok(None) };
        let at = |name: &str| fixed(&format!("/sys/block/{disk}/{name}"));
        if self.look.text(&at("removable"))?.as_deref() == Some("1") {
            return Ok(Some(Removable::Flag(disk.to_owned())));
        }
        if is_usb(place) {
            return Ok(Some(Removable::Usb(disk.to_owned())));
        }
        for below in self.look.list(&at("slaves"))?.unwrap_or_default() {
            if let Some(found) = self.named(&below, depth - 1)? {
                return Ok(Some(found));
            }
        }
        let file = self.look.text(&at("loop/backing_file"))?;
        match file.and_then(|file| self.with(&file)) {
            Some(mount) => self.on(mount.device, depth - 1),
            None => Ok(None),
        }
    }
}

/// A line of `/proc/self/mountinfo` (`proc_pid_mountinfo(5)`).
struct Mount<'m> {
    device: DeviceNumber,
    point: String,
    kind: &'m str,
    source: &'m str,
}

impl<'m> Mount<'m> {
    /// Returns the mount that has the file at `path`, of those in `/proc/self/mountinfo`.
    fn at(path: &str, text: &'m str) -> Option<Self> {
        let has = |mount: &Self| Utf8Path::new(path).starts_with(&mount.point);
        // Of mounts at one point, the last one is visible.
        text.lines().filter_map(Self::parse).filter(has).max_by_key(|mount| mount.point.len())
    }

    fn parse(line: &'m str) -> Option<Self> {
        let (mount, file_system) = line.split_once(" - ")?;
        let mut fields = mount.split(' ').skip(2);
        let (major, minor) = fields.next()?.split_once(':')?;
        let device = DeviceNumber { major: major.parse().ok()?, minor: minor.parse().ok()? };
        let point = unescape(fields.nth(1)?);
        let mut fields = file_system.split(' ');
        Some(Self { device, point, kind: fields.next()?, source: fields.next()? })
    }
}

/// Replaces the octal escapes of blanks and backslashes.
fn unescape(text: &str) -> String {
    let escapes = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
    escapes.iter().fold(text.to_owned(), |text, (escape, is)| text.replace(escape, is))
}

/// File system types of removable media. They have no owners.
const PORTABLE: [&str; 9] =
    ["vfat", "msdos", "exfat", "iso9660", "udf", "ntfs", "ntfs3", "fuseblk", "hfsplus"];

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
        assert_eq!(mounted(&host()).unwrap(), ["/media/stick", "/mnt/backup disk", "/usb"]);
    }

    #[test]
    fn a_stick_is_found_behind_encryption_volumes_images_and_btrfs() {
        let at = |path: &str, target: &str| (path.to_owned(), target.to_owned());
        let usb = "../../devices/pci0000:00/0000:00:14.0/usb2/2-1/host6/6:0:0:0/block/sde/sde1";
        let virt = |name: &str| format!("../../devices/virtual/block/{name}");
        let mounts = "\
22 1 8:3 / / rw - ext4 /dev/sda3 rw
30 22 253:0 / /media/luks rw - ext4 /dev/mapper/luks rw
31 22 7:0 / /media/image rw - ext4 /dev/loop0 rw
32 22 0:45 /@ /media/my\\040btrfs rw - btrfs /dev/sde1 rw
33 22 8:65 / /media/stick rw - ext4 /dev/sde1 rw
34 22 7:1 / /snap rw - squashfs /dev/loop1 rw
35 22 0:46 / /tank rw - zfs tank rw
";
        let mut host = MemHost::with_files(&[
            ("/proc/self/mountinfo", mounts),
            ("/sys/block/dm-0/slaves/dm-1", ""),
            ("/sys/block/dm-1/slaves/sda9", ""),
            ("/sys/block/dm-1/slaves/sde1", ""),
            ("/sys/block/loop0/loop/backing_file", "/media/stick/a b.img\n"),
            ("/sys/block/loop1/loop/backing_file", "/var/lib/snapd/x.snap\n"),
        ]);
        for (path, target) in [
            at("/sys/dev/block/253:0", &virt("dm-0")),
            at("/sys/class/block/dm-1", &virt("dm-1")),
            at("/sys/class/block/sde1", usb),
            at("/sys/dev/block/8:65", usb),
            at("/sys/dev/block/7:0", &virt("loop0")),
            at("/sys/dev/block/7:1", &virt("loop1")),
            at("/proc/self/exe", "/media/my btrfs/vgpu-installer"),
        ] {
            host.place_node(&path, Node::link(&target), b"");
        }
        let usb = || Some(Removable::Usb("sde".to_owned()));
        let found = |major, minor| removable(&host, DeviceNumber { major, minor }, ROOT).unwrap();
        assert_eq!(found(253, 0), usb(), "LUKS on LVM");
        assert_eq!(found(7, 0), usb(), "an image on the stick");
        assert_eq!(found(0, 45), usb(), "Btrfs");
        assert_eq!(found(0, 51), usb(), "a subvolume of Btrfs");
        assert_eq!(found(7, 1), None, "an image on the host");
        assert_eq!(found(0, 46), None, "ZFS");
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
