use vgpu_manifest::HostPath;
use vgpu_manifest::inventory::{FreeSpace, Name, RootFileSystem, RootPool};
use vgpu_manifest::platform::RootFs;

use super::reader::Reader;

const MOUNTS: &str = "/proc/mounts";
/// The pool features of the loaded ZFS module, one folder for each.
const POOL_FEATURES: &str = "/sys/module/zfs/features.pool";
/// The folders that an installation writes to, in order.
const WRITTEN: [&str; 5] = ["/", "/boot", "/tmp", "/usr", "/var/lib"];

/// Returns the root file system.
pub(super) fn root(reader: &Reader<'_>) -> RootFileSystem {
    let text = reader.text(MOUNTS).unwrap_or_default();
    let (device, kind) = mounted_at_root(&text).unzip();
    let kind = kind.map(|kind| kind.parse().unwrap_or(RootFs::Other));
    let pool = device.filter(|_| kind == Some(RootFs::Zfs)).and_then(|device| pool(reader, device));
    RootFileSystem { kind, pool, free: free(reader) }
}

/// Returns device and type of the file system mounted at `/`; the last mount hides earlier ones.
fn mounted_at_root(mounts: &str) -> Option<(&str, &str)> {
    let mut at_root = None;
    for line in mounts.lines() {
        let mut fields = line.split(' ');
        if let (Some(device), Some("/"), Some(kind)) = (fields.next(), fields.next(), fields.next())
        {
            at_root = Some((device, kind));
        }
    }
    at_root
}

fn pool(reader: &Reader<'_>, dataset: &str) -> Option<RootPool> {
    let name = dataset.split('/').next().unwrap_or_default();
    let name = reader.understood(MOUNTS, name.parse())?;
    let feature = |name: String| reader.understood(POOL_FEATURES, name.parse::<Name>());
    let mut features: Vec<_> =
        reader.names(POOL_FEATURES).into_iter().filter_map(feature).collect();
    features.sort();
    Some(RootPool { name, features_at_most: features })
}

fn free(reader: &Reader<'_>) -> Vec<FreeSpace> {
    let space = |path: &str| {
        let gib = reader.free_space(path)? >> 30;
        Some(FreeSpace { path: HostPath::new(path).ok()?, gib })
    };
    WRITTEN.into_iter().filter_map(space).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_last_mount_at_the_root_counts() {
        let text =
            "rootfs / rootfs rw 0 0\nproc /proc proc rw 0 0\nrpool/ROOT/pve-1 / zfs rw 0 0\n";
        assert_eq!(mounted_at_root(text), Some(("rpool/ROOT/pve-1", "zfs")));
        assert_eq!(mounted_at_root("proc /proc proc rw 0 0\n/ / \n"), Some(("/", "")));
        assert_eq!(mounted_at_root(""), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "([a-z/ ]{0,12}\n){0,6}|\\PC*") {
            mounted_at_root(&text);
        }
    }
}
