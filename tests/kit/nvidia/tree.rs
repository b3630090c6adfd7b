use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;

use camino::Utf8Path;

use super::{Kind, StandIn, blob};

/// The script at the start of a package.
pub(super) const STUB: &str = include_str!("payload/stub.sh");
/// The source file that the unlock patch changes.
pub(super) const SOURCE: &str = include_str!("payload/kernel/nv.c");

const PROGRAM: u32 = 0o755;
const PLAIN: u32 = 0o644;

/// The files of every package.
const COMMON: [(&str, u32, &str); 7] = [
    ("nvidia-installer", PROGRAM, include_str!("payload/nvidia-installer")),
    ("nvidia-uninstall", PROGRAM, include_str!("payload/nvidia-uninstall")),
    ("nvidia-smi", PROGRAM, include_str!("payload/nvidia-smi")),
    ("makeself.sh", PROGRAM, include_str!("payload/makeself.sh")),
    ("stub.sh", PLAIN, STUB),
    ("pkg-history.txt", PLAIN, "made as a stand-in for tests\n"),
    ("LICENSE", PLAIN, "A stand-in for tests, under the license of the tests themselves.\n"),
];

/// The additional files of a host package.
const HOST: [(&str, u32, &str); 12] = [
    ("is_vgpu_host_package.txt", PLAIN, "This is a stand-in for a host package.\n"),
    ("vgpuConfig.xml", PLAIN, include_str!("payload/vgpuConfig.xml")),
    ("nvidia-vgpud", PROGRAM, include_str!("payload/nvidia-vgpud")),
    ("nvidia-vgpu-mgr", PROGRAM, include_str!("payload/nvidia-vgpu-mgr")),
    ("sriov-manage", PROGRAM, include_str!("payload/sriov-manage")),
    (
        "init-scripts/systemd/nvidia-vgpud.service",
        PLAIN,
        include_str!("payload/nvidia-vgpud.service"),
    ),
    (
        "init-scripts/systemd/nvidia-vgpu-mgr.service",
        PLAIN,
        include_str!("payload/nvidia-vgpu-mgr.service"),
    ),
    ("kernel/Kbuild", PLAIN, include_str!("payload/kernel/Kbuild")),
    ("kernel/Makefile", PLAIN, include_str!("payload/kernel/Makefile")),
    ("kernel/dkms.conf", PLAIN, include_str!("payload/kernel/dkms.conf")),
    ("kernel/nvidia/nv.c", PLAIN, SOURCE),
    (
        "kernel/nvidia-vgpu-vfio/nvidia-vgpu-vfio.c",
        PLAIN,
        include_str!("payload/kernel/nvidia-vgpu-vfio.c"),
    ),
];

/// Writes the unpacked package into `root`.
pub(super) fn write(standin: &StandIn, root: &Utf8Path) -> io::Result<()> {
    let host: &[_] = match standin.kind {
        Kind::Host | Kind::Enterprise => &HOST,
        Kind::Guest => &[],
    };
    for (name, mode, text) in COMMON.iter().chain(host) {
        // The script is preserved unchanged, so that the tree can be packed again.
        let is_template = *name == "stub.sh" || *name == "makeself.sh";
        let filled = text.replace("@VERSION@", &standin.version);
        let text = if is_template { (*text).to_owned() } else { filled };
        put(root, name, *mode, text.as_bytes())?;
    }
    if standin.kind != Kind::Guest {
        put(root, "kernel/nvidia/nv-kernel.o_binary", PLAIN, &blob::bytes(standin))?;
    }
    fs::set_permissions(root, fs::Permissions::from_mode(PROGRAM))
}

fn put(root: &Utf8Path, name: &str, mode: u32, bytes: &[u8]) -> io::Result<()> {
    let path = root.join(name);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(&path, bytes)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(mode))
}
