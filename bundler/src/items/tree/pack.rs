use std::fs::File;
use std::io::{self, Read, Write};

use anyhow::{Context as _, bail};
use rustix::fs::{Mode, OFlags};
use tar::{EntryType, Header};
use zstd::stream::write::Encoder;
use zstd::zstd_safe::{CParameter, Strategy};

use super::scan::{Kind, Node};
use super::{CANNOT_WRITE, cannot_read};

/// The binary logarithm of the zstd window: 4 MiB.
pub(crate) const WINDOW_LOG: u8 = 22;

/// Every parameter that affects the compressed bytes, so that no default does.
///
/// Similar to level 13, with smaller tables: packing takes about 30 MiB of memory. The faster
/// strategies produce other bytes on processors without SIMD.
const PARAMETERS: [CParameter; 9] = [
    CParameter::WindowLog(WINDOW_LOG as u32),
    CParameter::HashLog(21),
    CParameter::ChainLog(21),
    CParameter::SearchLog(5),
    CParameter::MinMatch(5),
    CParameter::TargetLength(32),
    CParameter::Strategy(Strategy::ZSTD_btlazy2),
    CParameter::ChecksumFlag(true),
    CParameter::ContentSizeFlag(false),
];

/// The level for parameters that are not listed above, of which there are none.
const LEVEL: i32 = 13;

/// Writes the archive of `nodes` to `out`, and returns its length before compression.
///
/// `progress` is called with the number of bytes read since the last call.
pub(super) fn write(
    nodes: &[Node],
    out: &mut dyn Write,
    progress: &dyn Fn(usize),
) -> anyhow::Result<u64> {
    let mut encoder = Encoder::new(out, LEVEL).context(CANNOT_WRITE)?;
    for parameter in PARAMETERS {
        encoder.set_parameter(parameter).context(CANNOT_WRITE)?;
    }
    let mut archive = tar::Builder::new(Counter { out: encoder, count: 0 });
    for node in nodes {
        append(&mut archive, node, progress)?;
    }
    let Counter { out, count } = archive.into_inner().context(CANNOT_WRITE)?;
    out.finish().context(CANNOT_WRITE)?;
    Ok(count)
}

fn append(
    archive: &mut tar::Builder<impl Write>,
    node: &Node,
    progress: &dyn Fn(usize),
) -> anyhow::Result<()> {
    match &node.kind {
        Kind::Folder => {
            let mut header = header(EntryType::Directory, 0o755, 0);
            // Other programs write folders with a slash, too.
            let path = format!("{}/", node.path);
            archive.append_data(&mut header, path, io::empty()).context(CANNOT_WRITE)
        }
        Kind::Link { target } => {
            let mut header = header(EntryType::Symlink, 0o777, 0);
            archive.append_link(&mut header, &node.path, target).context(CANNOT_WRITE)
        }
        Kind::File { size, mode } => {
            // The file may have been replaced by a link or a pipe since the scan.
            let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
            let file = rustix::fs::open(node.place.as_std_path(), flags, Mode::empty());
            let file = file.map_err(io::Error::from).with_context(|| cannot_read(&node.place))?;
            let mut header = header(EntryType::Regular, mode.bits(), *size);
            let mut exact = Exact { file: File::from(file), left: *size, fault: None, progress };
            let result = archive.append_data(&mut header, &node.path, &mut exact);
            match exact.fault {
                Some(Fault::Changed) => {
                    bail!(
                        "`{}` has changed while it was being packed",
                        node.path.as_str().escape_debug()
                    )
                }
                Some(Fault::Read(error)) => Err(error).with_context(|| cannot_read(&node.place)),
                None => result.context(CANNOT_WRITE),
            }
        }
    }
}

fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header
}

/// A reader of a file that must have exactly the length in its header.
struct Exact<'p> {
    file: File,
    left: u64,
    fault: Option<Fault>,
    progress: &'p dyn Fn(usize),
}

/// The reason why reading ended early. `append_data` mixes the errors of reader and writer.
enum Fault {
    Changed,
    Read(io::Error),
}

impl Read for Exact<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = match self.file.read(buf) {
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(error),
            Err(error) => return Err(self.fail(Fault::Read(error))),
        };
        match self.left.checked_sub(n as u64) {
            Some(left) if n > 0 || left == 0 => self.left = left,
            _ => return Err(self.fail(Fault::Changed)),
        }
        (self.progress)(n);
        Ok(n)
    }
}

impl Exact<'_> {
    fn fail(&mut self, fault: Fault) -> io::Error {
        self.fault = Some(fault);
        io::Error::other("see the fault")
    }
}

/// A writer that counts bytes.
struct Counter<W> {
    out: W,
    count: u64,
}

impl<W: Write> Write for Counter<W> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let n = self.out.write(buf)?;
        self.count += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
