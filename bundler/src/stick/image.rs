//! ISO images of a filled stick, for the virtual media of a BMC or a storage of Proxmox VE.
//!
//! `xorriso` writes the image. It is read back from the extents that `xorriso` reports, so neither a
//! mount nor root is needed.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek as _, SeekFrom, Take};
use std::process::{Command, Stdio};

use anyhow::{Context as _, anyhow, bail};
use camino::{Utf8Path, Utf8PathBuf};

use crate::ui::Advise as _;

/// The length of a block of an ISO 9660 image, in bytes.
const BLOCK: u64 = 2048;

/// The length of the largest file in one extent, in bytes: all systems can read such files.
pub(crate) const LARGEST_FILE: u64 = u32::MAX as u64;

/// A folder with the files of an image that is being written. Removed when dropped.
#[derive(Debug)]
pub(crate) struct Staging {
    pub(crate) folder: Utf8PathBuf,
    image: Utf8PathBuf,
}

impl Staging {
    /// Makes the folder next to the image, where there must be room for both.
    pub(crate) fn beside(image: &Utf8Path) -> anyhow::Result<Self> {
        let folder = Utf8PathBuf::from(format!("{image}.files"));
        fs::create_dir(&folder)
            .with_context(|| format!("cannot make the folder `{folder}`"))
            .hint("it is left by an interrupted run if it exists; remove it, and run this again")?;
        Ok(Self { folder, image: image.to_owned() })
    }

    /// Writes the image from these files of the folder, dated `created` (seconds since 1970), so that
    /// the same files give the same image.
    pub(crate) fn write(&self, names: &[&str], created: u64) -> anyhow::Result<Image> {
        let partial = Utf8PathBuf::from(format!("{}.partial", self.image));
        // `xorriso` would add a session to an image of an interrupted run.
        match fs::remove_file(&partial) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot remove `{partial}`"));
            }
            _ => {}
        }
        let date = format!("={created}");
        let mut words: Vec<String> = ["-abort_on", "FAILURE", "-compliance", "no_emul_toc"]
            .into_iter()
            .chain(["-outdev", &format!("stdio:{partial}"), "-volid", "VGPU", "-joliet", "on"])
            .chain(["-volume_date", "all_file_dates", &date, "-volume_date", "c", &date])
            .chain(["-volume_date", "m", &date, "-uid", "0", "-gid", "0"])
            .map(str::to_owned)
            .collect();
        for name in names {
            words.extend(["-map".to_owned(), self.folder.join(name).into(), format!("/{name}")]);
        }
        words.extend(["-commit", "-end"].map(str::to_owned));
        xorriso(&words).with_context(|| format!("cannot write `{partial}`"))?;
        let file = File::open(&partial).with_context(|| format!("cannot open `{partial}`"))?;
        file.sync_all().with_context(|| format!("cannot sync `{partial}`"))?;
        Image::open(partial, self.image.clone())
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // A failure cannot be reported from here; the next run names the folder.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// An image that gets its name once it has been read back.
#[derive(Debug)]
pub(crate) struct Image {
    partial: Utf8PathBuf,
    name: Utf8PathBuf,
    /// The offset and the length of each file, in bytes.
    extents: BTreeMap<String, (u64, u64)>,
}

impl Image {
    fn open(partial: Utf8PathBuf, name: Utf8PathBuf) -> anyhow::Result<Self> {
        let words = ["-indev", &format!("stdio:{partial}"), "-find", "/", "-type", "f"];
        let words: Vec<_> = words.iter().chain(&["-exec", "report_lba", "--"]).collect();
        let listed = xorriso(&words).with_context(|| format!("cannot read back `{partial}`"))?;
        let extents = listed.lines().filter_map(extent).collect();
        Ok(Self { partial, name, extents })
    }

    /// Returns the image file.
    pub(crate) fn path(&self) -> &Utf8Path {
        &self.partial
    }

    /// Returns a reader of the file `name` in the image.
    pub(crate) fn read(&self, name: &str) -> anyhow::Result<Take<File>> {
        let (offset, len) = self.extents.get(name).with_context(|| {
            format!("`{}` has no file `{name}`, or not in one piece", self.partial)
        })?;
        let open = || -> io::Result<Take<File>> {
            let mut file = File::open(&self.partial)?;
            file.seek(SeekFrom::Start(*offset))?;
            Ok(file.take(*len))
        };
        open().with_context(|| format!("cannot read back `{}`", self.partial))
    }

    /// Gives the image its name.
    pub(crate) fn finish(self) -> anyhow::Result<()> {
        fs::rename(&self.partial, &self.name)
            .with_context(|| format!("cannot rename `{}` to `{}`", self.partial, self.name))
    }
}

/// Parses a line of `report_lba`: `File data lba:  0 , 59 , 977 , 2000000 , '/a'`, which is the number
/// of the extent, its first block, its blocks, and the length of the file in bytes.
fn extent(line: &str) -> Option<(String, (u64, u64))> {
    let mut fields = line.strip_prefix("File data lba:")?.split(',').map(str::trim);
    let [number, first, _, len, name] = std::array::from_fn(|_| fields.next().unwrap_or_default());
    let name = name.strip_prefix("'/")?.strip_suffix('\'')?;
    let first: u64 = first.parse().ok()?;
    // A second extent would mean that a file is too large.
    (number == "0").then_some((name.to_owned(), (first * BLOCK, len.parse().ok()?)))
}

/// Runs `xorriso` without configuration files, and returns its output.
fn xorriso<S: AsRef<std::ffi::OsStr>>(words: &[S]) -> anyhow::Result<String> {
    let mut command = Command::new("xorriso");
    command.arg("-no_rc").args(words).stdin(Stdio::null());
    let output = match command.output() {
        Ok(output) => output,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(anyhow!("the program `xorriso` is not installed"))
                .hint("install the package `xorriso`");
        }
        Err(error) => return Err(error).context("cannot run `xorriso`"),
    };
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let is_failure =
        |line: &&str| [": FAILURE :", ": FATAL :"].iter().any(|word| line.contains(word));
    let why = said.lines().find(is_failure).unwrap_or("it does not say why");
    bail!("`xorriso` failed: {}", vgpu_manifest::printable(why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_in_one_piece_has_an_extent() {
        let line = "File data lba:  0 ,       59 ,      977 ,  2000000 , '/gpu-1.vgpu.tar.001'";
        let expected = ("gpu-1.vgpu.tar.001".to_owned(), (59 * 2048, 2_000_000));
        assert_eq!(extent(line), Some(expected));
        for other in [
            "Report layout: xt , Startlba ,   Blocks , Filesize , ISO image path",
            "File data lba:  1 ,       59 ,      977 ,  2000000 , '/a'",
            "File data lba:  0 ,       59",
            "",
        ] {
            assert_eq!(extent(other), None, "{other}");
        }
    }
}
