use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use camino::Utf8Path;

use super::{blob, patch, tree};

/// The kind of driver that a stand-in represents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The host driver for Linux KVM.
    Host,
    /// The host driver for Linux KVM of NVIDIA AI Enterprise.
    Enterprise,
    /// The guest driver for Linux.
    Guest,
}

/// The compression of a package's archive: every method that NVIDIA has used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// gzip: packages of old branches, and the output of `--apply-patch`.
    Gzip,
    /// xz: most packages.
    Xz,
    /// zstd: the newest packages.
    Zstd,
    /// zstd with the largest window that the bundler preserves itself.
    FullXz,
    /// xz with the window of `xz -9`.
    WideXz,
    /// zstd with the largest window that zstd accepts without an option.
    WideZstd,
}

/// A driver package to be made.
#[derive(Debug, Clone)]
pub struct StandIn {
    /// Its version.
    pub version: String,
    /// The kind of driver.
    pub kind: Kind,
    /// The compression of its archive.
    pub compression: Compression,
    /// The size of its binary part, in bytes. NVIDIA's has 62 MB.
    pub blob: usize,
}

impl Compression {
    /// The methods that NVIDIA has used.
    pub const ALL: [Self; 3] = [Self::Gzip, Self::Xz, Self::Zstd];

    /// Returns the compression program.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Xz | Self::FullXz | Self::WideXz => "xz",
            Self::Zstd | Self::WideZstd => "zstd",
        }
    }

    fn command(self) -> Command {
        let arguments: &[&str] = match self {
            Self::Gzip => &["-9n"],
            Self::Xz => &["-6", "-c"],
            Self::Zstd => &["-9", "-q", "-c"],
            Self::FullXz => &["-0", "--lzma2=preset=0,dict=16MiB", "-c"],
            Self::WideXz => &["-0", "--lzma2=preset=0,dict=64MiB", "-c"],
            Self::WideZstd => &["-1", "--long=27", "-q", "-c"],
        };
        let mut command = Command::new(self.name());
        command.args(arguments);
        command
    }
}

impl StandIn {
    /// Returns a small host driver.
    #[must_use]
    pub fn host(version: &str) -> Self {
        let (kind, compression) = (Kind::Host, Compression::Xz);
        Self { version: version.to_owned(), kind, compression, blob: 200_000 }
    }

    /// Returns a small host driver of NVIDIA AI Enterprise.
    #[must_use]
    pub fn enterprise(version: &str) -> Self {
        Self { kind: Kind::Enterprise, ..Self::host(version) }
    }

    /// Returns a small guest driver.
    #[must_use]
    pub fn guest(version: &str) -> Self {
        Self { kind: Kind::Guest, ..Self::host(version) }
    }

    /// Returns the name of the folder that it unpacks into.
    #[must_use]
    pub fn folder(&self) -> String {
        let end = match self.kind {
            Kind::Host => "vgpu-kvm",
            Kind::Enterprise => "vgpu-kvm-aie",
            Kind::Guest => "grid",
        };
        format!("NVIDIA-Linux-x86_64-{}-{end}", self.version)
    }

    /// Returns its file name.
    #[must_use]
    pub fn file_name(&self) -> String {
        format!("{}.run", self.folder())
    }

    /// Writes the package to `path`. The same stand-in always gives the same bytes.
    pub fn write(&self, path: &Utf8Path) -> io::Result<()> {
        self.write_with(path, &|_| Ok(()))
    }

    /// Writes the package after `change` has changed its unpacked files, whose folder it gets.
    pub fn write_with(
        &self,
        path: &Utf8Path,
        change: &dyn Fn(&Utf8Path) -> io::Result<()>,
    ) -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        let root = Utf8Path::from_path(folder.path()).ok_or(io::ErrorKind::InvalidFilename)?;
        tree::write(self, root)?;
        change(root)?;
        let mut body = tempfile::tempfile()?;
        let stub = self.stub();
        let (head, rest) = split_after_lines(&stub, 3);
        body.write_all(rest.as_bytes())?;
        writeln!(body, "exec {} -dc", self.compression.name())?;
        self.archive(root, &body)?;

        let crc = sum("cksum", &mut body)?;
        let md5 = sum("md5sum", &mut body)?;
        let mut file = File::create(path)?;
        file.write_all(head.replace("@CRC@", &crc).replace("@MD5@", &md5).as_bytes())?;
        body.rewind()?;
        io::copy(&mut body, &mut file)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o755))
    }

    /// Returns the unlock patch for exactly this stand-in: it changes the binary part, in lines
    /// with NUL bytes, and a source file.
    #[must_use]
    pub fn patch(&self) -> Vec<u8> {
        let old = blob::bytes(self);
        let mut text = format!(
            "ONLY for the stand-in {}, which is for tests. Apply it with --apply-patch.\n\n",
            self.version
        )
        .into_bytes();
        let new = blob::unlocked(&old);
        text.extend(patch::diff("./kernel/nvidia/nv-kernel.o_binary", &old, &new));
        let source = tree::SOURCE.as_bytes();
        let unlocked =
            tree::SOURCE.replace("static bool unlocked;", "static bool unlocked = true;");
        text.extend(patch::diff("kernel/nvidia/nv.c", source, unlocked.as_bytes()));
        text
    }

    /// Returns the complete script without the checksums.
    fn stub(&self) -> String {
        let lines = tree::STUB.lines().count();
        [
            ("@SKIP@", (lines + 2).to_string()),
            ("@SKIP_DECOMPRESS@", (lines + 1).to_string()),
            ("@SIZE_DECOMPRESS@", "1".to_owned()),
            ("@COMPRESSION@", self.compression.name().to_owned()),
            ("@VERSION@", self.version.clone()),
            ("@TARGETDIR@", self.folder()),
        ]
        .iter()
        .fold(tree::STUB.to_owned(), |text, (name, value)| text.replace(name, value))
    }

    /// Appends the files below `root` as a compressed archive.
    fn archive(&self, root: &Utf8Path, to: &File) -> io::Result<()> {
        let mut tar = Command::new("tar")
            .args(["--format=gnu", "--sort=name", "--mtime=@1700000000", "--owner=0", "--group=0"])
            .args(["--numeric-owner", "-cf", "-", "-C", root.as_str(), "."])
            .stdout(Stdio::piped())
            .spawn()?;
        let archive = tar.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let status = self.compression.command().stdin(archive).stdout(to.try_clone()?).status()?;
        if tar.wait()?.success() && status.success() {
            Ok(())
        } else {
            Err(io::Error::other("cannot make the archive"))
        }
    }
}

fn split_after_lines(text: &str, lines: usize) -> (&str, &str) {
    let len = text.split_inclusive('\n').take(lines).map(str::len).sum();
    text.split_at(len)
}

/// Returns the first word of the output of `tool` for `file`.
fn sum(tool: &str, file: &mut File) -> io::Result<String> {
    file.rewind()?;
    let mut child = Command::new(tool).stdin(file.try_clone()?).stdout(Stdio::piped()).spawn()?;
    let mut said = String::new();
    child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?.read_to_string(&mut said)?;
    child.wait()?;
    Ok(said.split(' ').next().unwrap_or_default().to_owned())
}
