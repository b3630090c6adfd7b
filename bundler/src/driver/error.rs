use std::io;

use vgpu_manifest::catalog::{DriverVersion, Md5};
use vgpu_manifest::driver::DriverKind;
use vgpu_manifest::patch::{ApplyError, TreePath};

use vgpu_manifest::ui::ByteSize;

/// Why a file is not the driver that is wanted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum DriverError {
    /// It cannot be read.
    #[error("cannot read it")]
    Read(#[source] io::Error),
    /// A server sent a page for people: a log-in, a challenge, an error.
    #[error(
        "it is a web page{}, not a driver: the server wants a browser or a log-in; download the file by hand and give its path", titled(.title.as_deref())
    )]
    WebPage {
        /// The title of the page.
        title: Option<String>,
    },
    /// A server sent an answer for programs.
    #[error("it is the answer of a server, not a driver: `{}`", .0.escape_debug())]
    Answer(String),
    /// It is something else.
    #[error("it is not a driver package of NVIDIA: {0}")]
    NotADriver(&'static str),
    /// A field of the header is not what it must be.
    #[error("the header of the driver has no usable `{field}`: {why}")]
    Header {
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// The header names a driver that is not for this kind of machine.
    #[error("the driver is for `{}`, not for Linux on x86-64", .0.escape_debug())]
    Platform(String),
    /// The header says what none of our kinds of drivers says.
    #[error("`{}` is neither the host driver for Linux KVM (`-vgpu-kvm`) nor a guest driver (`-grid`)", .0.escape_debug())]
    Variant(String),
    /// It is the driver of the other side.
    #[error("it is the {found} driver {version}, but the {wanted} driver is wanted")]
    OtherKind {
        /// What is wanted.
        wanted: DriverKind,
        /// What it is.
        found: DriverKind,
        /// Its version.
        version: DriverVersion,
    },
    /// The file ends too early.
    #[error("it is truncated: it ends {0}; download it again")]
    Truncated(&'static str),
    /// A checksum of the package is wrong.
    #[error(
        "its {sum} is {actual}, but its header says {expected}: it is damaged; download it again"
    )]
    Checksum {
        /// Which checksum.
        sum: &'static str,
        /// As the header says.
        expected: String,
        /// As it is.
        actual: String,
    },
    /// The file is another than the one that is known under its version.
    #[error(
        "its MD5 is {actual}, but the driver {version} is known with {expected}; if you know where it comes from, say so with its `sha256` in the recipe"
    )]
    Unknown {
        /// The version.
        version: DriverVersion,
        /// As the catalogue says.
        expected: Md5,
        /// As it is.
        actual: Md5,
    },
    /// Its payload is compressed in a way that we do not know.
    #[error(
        "its payload is compressed neither with gzip nor with xz nor with zstd: it begins with {0}"
    )]
    Compression(String),
    /// Its payload cannot be decompressed.
    #[error("its payload is damaged")]
    Payload(#[source] io::Error),
    /// Its payload refers to more of what came before than anybody can keep.
    #[error(
        "its payload needs a window of {window} to be decompressed, and none may need more than {most}"
    )]
    Window {
        /// What it needs.
        window: ByteSize,
        /// The most that is taken.
        most: ByteSize,
    },
    /// Its payload takes more memory than this program has.
    #[error(
        "its payload needs a window of {window} to be decompressed, which is left to the program `{program}`, and that is not installed; install it"
    )]
    NoProgram {
        /// The program.
        program: &'static str,
        /// What the payload needs.
        window: ByteSize,
    },
    /// Its payload is larger than any driver.
    #[error("its payload unpacks to more than {0}, more than any driver")]
    Bomb(ByteSize),
    /// Its payload has more files than any driver.
    #[error("its payload has more than {0} files, more than any driver")]
    TooManyFiles(usize),
    /// A file in it is larger than it can be.
    #[error("`{path}` in it has more than {cap}")]
    LargeFile {
        /// The file.
        path: &'static str,
        /// What it may have.
        cap: ByteSize,
    },
    /// A file is in it twice, or is a link.
    #[error("`{path}` in it {what}")]
    OddFile {
        /// The file.
        path: String,
        /// What is odd.
        what: &'static str,
    },
    /// Header and payload contradict each other.
    #[error("its header says that it is the {kind} driver, but its payload says otherwise: {why}")]
    Contradiction {
        /// What the header says.
        kind: DriverKind,
        /// What the payload says.
        why: &'static str,
    },
    /// `vgpuConfig.xml` is not what it must be.
    #[error("`vgpuConfig.xml` in it cannot be used: {0}")]
    Config(String),
    /// Only that file is wanted.
    #[error("it has no `vgpuConfig.xml`, of which there was nothing else to take")]
    NoConfig,
    /// The archive of the portal is for another hypervisor.
    #[error(
        "`{}` is the package for {hypervisor}; Proxmox VE takes the one for Linux KVM, `NVIDIA-GRID-Linux-KVM-….zip`", .file.escape_debug()
    )]
    Hypervisor {
        /// The file's name.
        file: String,
        /// The hypervisor in it.
        hypervisor: String,
    },
    /// The archive does not have the driver.
    #[error("the archive has no {wanted} driver{}", hint(.others))]
    NotInArchive {
        /// What is wanted.
        wanted: DriverKind,
        /// What it has instead.
        others: Vec<String>,
    },
    /// The archive has several such drivers.
    #[error("the archive has several {wanted} drivers: {}", .found.join(", "))]
    Several {
        /// What is wanted.
        wanted: DriverKind,
        /// What it has.
        found: Vec<String>,
    },
    /// The archive cannot be read.
    #[error("cannot read the archive")]
    Archive(#[source] zip::result::ZipError),
    /// The member has another size than the archive says.
    #[error("`{}` in the archive is larger than the archive says", .0.escape_debug())]
    Member(String),
    /// A patch does not fit.
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
