use std::io;

use vgpu_manifest::catalog::{DriverVersion, Md5};
use vgpu_manifest::driver::DriverKind;
use vgpu_manifest::patch::{ApplyError, TreePath};

use vgpu_manifest::ui::ByteSize;

/// Why a file is not the requested driver.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum DriverError {
    /// The file cannot be read.
    #[error("cannot read it")]
    Read(#[source] io::Error),
    /// The server sent a web page: a login, a challenge or an error.
    #[error(
        "it is a web page{}, not a driver: the server requires a browser or a login; download the file manually and set its `path`", titled(.title.as_deref())
    )]
    WebPage {
        /// The title of the page.
        title: Option<String>,
    },
    /// The server sent a structured answer, such as JSON.
    #[error("it is the answer of a server, not a driver: `{}`", .0.escape_debug())]
    Answer(String),
    /// The file has another format.
    #[error("it is not an NVIDIA driver package: {0}")]
    NotADriver(&'static str),
    /// A header field is invalid.
    #[error("the header of the driver has no usable `{field}`: {why}")]
    Header {
        field: &'static str,
        /// The reason.
        why: String,
    },
    /// The driver is for another architecture or operating system.
    #[error("the driver is for `{}`, not for Linux on x86-64", .0.escape_debug())]
    Platform(String),
    /// The header matches no supported kind of driver.
    #[error("`{}` is neither the host driver for Linux KVM (`-vgpu-kvm`) nor a guest driver (`-grid`)", .0.escape_debug())]
    Variant(String),
    /// The driver is a guest driver instead of a host driver, or the other way around.
    #[error("it is the {found} driver {version}, expected the {wanted} driver")]
    OtherKind { wanted: DriverKind, found: DriverKind, version: DriverVersion },
    /// The file is truncated.
    #[error("it is truncated: it ends {0}; download it again")]
    Truncated(&'static str),
    /// A checksum of the package does not match.
    #[error(
        "its {sum} is {actual}, but its header says {expected}: it is damaged; download it again"
    )]
    Checksum {
        sum: &'static str,
        /// The value in the header.
        expected: String,
        /// The actual value.
        actual: String,
    },
    /// The file differs from the one that the catalog has for its version.
    #[error(
        "its MD5 is {actual}, but driver {version} is recorded as {expected}; to accept this file, set its `sha256` in the recipe"
    )]
    Unknown {
        version: DriverVersion,
        /// The value in the catalog.
        expected: Md5,
        /// The actual value.
        actual: Md5,
    },
    /// The compression of the payload is not supported.
    #[error(
        "its payload is compressed neither with gzip nor with xz nor with zstd: it begins with {0}"
    )]
    Compression(String),
    /// The payload cannot be decompressed.
    #[error("its payload is damaged")]
    Payload(#[source] io::Error),
    /// The payload needs a larger decompression window than this program supports.
    #[error("its payload needs a decompression window of {window}, more than the {most} allowed")]
    Window {
        window: ByteSize,
        /// The limit.
        most: ByteSize,
    },
    /// The payload needs more memory than the limit of this program allows.
    #[error(
        "its payload needs a window of {window} to be decompressed, which is left to the program `{program}`, and that is not installed; install it"
    )]
    NoProgram { program: &'static str, window: ByteSize },
    /// The payload exceeds the size limit.
    #[error("its payload unpacks to more than the {0} allowed")]
    Bomb(ByteSize),
    /// The payload exceeds the limit of files.
    #[error("its payload has more than the {0} files allowed")]
    TooManyFiles(usize),
    /// A file of the payload exceeds its size limit.
    #[error("`{path}` in it has more than {cap}")]
    LargeFile {
        path: &'static str,
        /// The limit.
        cap: ByteSize,
    },
    /// A file appears twice, or is a link.
    #[error("`{path}` in it {what}")]
    OddFile {
        path: String,
        /// The anomaly.
        what: &'static str,
    },
    /// Header and payload disagree.
    #[error("its header declares the {kind} driver, but its payload contradicts that: {why}")]
    Contradiction { kind: DriverKind, why: &'static str },
    /// `vgpuConfig.xml` is invalid.
    #[error("`vgpuConfig.xml` in it cannot be used: {0}")]
    Config(String),
    /// `vgpuConfig.xml` was requested, and the package has none.
    #[error("the package has no `vgpuConfig.xml`, the only file requested from it")]
    NoConfig,
    /// The portal archive is for another hypervisor.
    #[error(
        "`{}` is the package for {hypervisor}; Proxmox VE needs the one for Linux KVM, `NVIDIA-GRID-Linux-KVM-….zip`", .file.escape_debug()
    )]
    Hypervisor { file: String, hypervisor: String },
    /// The archive does not contain the driver.
    #[error("the archive has no {wanted} driver{}", hint(.others))]
    NotInArchive {
        wanted: DriverKind,
        /// The drivers in the archive.
        others: Vec<String>,
    },
    /// The archive contains several matching drivers.
    #[error("the archive has several {wanted} drivers: {}", .found.join(", "))]
    Several { wanted: DriverKind, found: Vec<String> },
    /// The archive cannot be read.
    #[error("cannot read the archive")]
    Archive(#[source] zip::result::ZipError),
    /// The size of a member differs from the directory of the archive.
    #[error("`{}` in the archive is larger than the archive says", .0.escape_debug())]
    Member(String),
    /// A patch does not apply.
    #[error(transparent)]
    Patch(#[from] ApplyError),
    /// Two patches change the same file.
    #[error("two patches change `{0}`")]
    PatchedTwice(TreePath),
}

fn titled(title: Option<&str>) -> String {
    title.map_or_else(String::new, |title| format!(" (\"{}\")", title.escape_debug()))
}

fn hint(others: &[String]) -> String {
    if others.is_empty() {
        return String::new();
    }
    let names: Vec<_> = others.iter().map(|name| name.escape_debug().to_string()).collect();
    format!(", but it has {}", names.join(", "))
}
