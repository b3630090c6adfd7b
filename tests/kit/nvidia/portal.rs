use std::fs;
use std::io;
use std::process::{Command, Stdio};

use camino::Utf8Path;

use super::StandIn;

/// The layout of an archive of the portal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// `Host_Drivers/` and `Guest_Drivers/`.
    Folders,
    /// Everything at the top level, as before release 15.
    Flat,
}

/// Writes an archive like those of the NVIDIA portal, with these drivers, a driver for Windows, and
/// a manual.
pub fn write_portal(
    path: &Utf8Path,
    layout: Layout,
    host: &StandIn,
    guest: &StandIn,
) -> io::Result<()> {
    let folder = tempfile::tempdir()?;
    let root = Utf8Path::from_path(folder.path()).ok_or(io::ErrorKind::InvalidFilename)?;
    let (hosts, guests) = match layout {
        Layout::Folders => (root.join("Host_Drivers"), root.join("Guest_Drivers")),
        Layout::Flat => (root.to_owned(), root.to_owned()),
    };
    fs::create_dir_all(&hosts)?;
    fs::create_dir_all(&guests)?;
    host.write(&hosts.join(host.file_name()))?;
    guest.write(&guests.join(guest.file_name()))?;
    let windows = "539.19_grid_win10_win11_server2019_server2022_dch_64bit_international.exe";
    fs::write(guests.join(windows), b"MZ\x90\0 a stand-in for tests")?;
    fs::write(root.join("grid-software-quick-start-guide.pdf"), b"%PDF-1.4 a stand-in")?;
    let path = camino::absolute_utf8(path)?;
    let status = Command::new("zip")
        .args(["-q", "-r", "-X", path.as_str(), "."])
        .current_dir(root)
        .stdin(Stdio::null())
        .status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other("cannot make the archive")) }
}
