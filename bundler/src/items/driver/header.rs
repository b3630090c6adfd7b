use std::collections::BTreeMap;
use std::io::{self, BufRead, Read};

use anyhow::{Context as _, anyhow, bail};
use vgpu_manifest::catalog::{DriverVersion, Md5};
use vgpu_manifest::driver::{DriverKind, Variant};

use super::{Truncated, UNREADABLE};

/// The limit for header fields, in bytes from the start of the file. NVIDIA's are in the first 2
/// KiB.
const HEAD: u64 = 64 << 10;

/// The limit for the start of the payload, in bytes. NVIDIA's starts at 160 KiB, after the
/// decompression program.
const MAX_OFFSET: u64 = 16 << 20;

/// The header of a package, from its first lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    /// The expected checksums, from the fourth line on.
    pub(super) crc: u32,
    pub(super) md5: Md5,
    /// The position of the fourth line in bytes.
    pub(super) body: u64,
    /// The number of the first line of the payload.
    pub(super) skip: u64,
    pub(super) version: DriverVersion,
    pub(super) kind: DriverKind,
    /// The suffix of the package name, which distinguishes a modified package from an original.
    pub(super) variant: Variant,
}

impl Header {
    /// Parses the header of a package from its first bytes.
    pub(super) fn read(file: &mut dyn Read) -> anyhow::Result<Self> {
        let mut head = Vec::new();
        file.take(HEAD).read_to_end(&mut head).context(UNREADABLE)?;
        check_looks(&head)?;
        let mut lines = head.split_inclusive(|b| *b == b'\n');
        let first = [lines.next(), lines.next(), lines.next()].map(Option::unwrap_or_default);
        let body = first.iter().map(|line| line.len() as u64).sum();
        let own: Fields = first.iter().filter_map(|line| assignment(line)).collect();
        let mut fields = Fields::new();
        for (name, value) in lines.filter_map(assignment) {
            // The first assignment is the header; later ones belong to the logic of the script.
            fields.entry(name).or_insert(value);
        }

        let crc = number(&own, "CRCsum")?;
        let md5 = own.get("MD5").ok_or_else(|| missing("MD5"))?;
        let md5 = md5.parse().map_err(|error| wrong("MD5", &error))?;
        let skip: u64 = number(&fields, "skip")?;
        let text = |name| fields.get(name).copied().ok_or_else(|| missing(name));
        let version = text("version_string")?;
        let version: DriverVersion =
            version.parse().map_err(|error| wrong("version_string", &error))?;
        check_platform(&fields)?;
        let (kind, variant) = variant(text("targetdir")?, &version)?;
        Ok(Self { crc, md5, body, skip, version, kind, variant })
    }

    /// Returns the position of the payload in bytes: the start of line `skip` of `file`, which is
    /// at its start.
    pub(super) fn offset(&self, file: &mut dyn BufRead) -> anyhow::Result<u64> {
        let (mut offset, mut line) = (0, 1);
        let mut file = file.take(MAX_OFFSET);
        while line < self.skip {
            let buf = file.fill_buf().context(UNREADABLE)?;
            if buf.is_empty() {
                return Err(Truncated("before its payload").into());
            }
            let newline = buf.iter().position(|b| *b == b'\n');
            let len = newline.map_or(buf.len(), |at| at + 1);
            line += u64::from(newline.is_some());
            offset += len as u64;
            file.consume(len);
        }
        Ok(offset)
    }
}

/// Returns the literal assignments of a script, by name.
type Fields<'h> = BTreeMap<&'h str, &'h str>;

/// Parses `name=value` or `name="value"`; `None` for any other line.
fn assignment(line: &[u8]) -> Option<(&str, &str)> {
    let line = std::str::from_utf8(line).ok()?;
    let (name, value) = line.strip_suffix('\n')?.split_once('=')?;
    let is_name = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    let value = quoted.unwrap_or(value);
    let is_literal = !value.contains(['$', '`', '"', '\'', '\\', ';', '&', '|']);
    (is_name && is_literal && value.len() <= 256).then_some((name, value))
}

fn number<T: std::str::FromStr>(fields: &Fields<'_>, name: &'static str) -> anyhow::Result<T>
where
    T::Err: ToString,
{
    let text = fields.get(name).ok_or_else(|| missing(name))?;
    text.parse().map_err(|error| wrong(name, &error))
}

fn missing(field: &str) -> anyhow::Error {
    wrong(field, &"it is missing")
}

pub(super) fn wrong(field: &str, why: &impl ToString) -> anyhow::Error {
    anyhow!("the header of the driver has no usable `{field}`: {}", why.to_string())
}

fn check_platform(fields: &Fields<'_>) -> anyhow::Result<()> {
    for (name, ours) in [("TARGET_OS", "Linux"), ("TARGET_ARCH", "x86_64")] {
        if let Some(found) = fields.get(name).filter(|found| **found != ours) {
            bail!("the driver is for `{}`, not for Linux on x86-64", found.escape_debug());
        }
    }
    Ok(())
}

/// Checks that this is the start of a package, and otherwise identifies the format.
fn check_looks(head: &[u8]) -> anyhow::Result<()> {
    if head.is_empty() {
        return Err(Truncated("at once: it is empty").into());
    }
    if head.starts_with(b"#!") {
        let mut lines = head.split(|b| *b == b'\n').take(3);
        if lines.all(|line| line.ends_with(b"\r")) {
            return Err(not_a_driver(
                "its line ends were converted to CR LF; transfer it again as a binary file",
            ));
        }
        let fourth = head.iter().filter(|b| **b == b'\n').nth(2);
        let is_ours =
            head.split(|b| *b == b'\n').nth(1).is_some_and(|it| it.starts_with(b"CRCsum="));
        return match (is_ours, fourth) {
            (true, Some(_)) => Ok(()),
            (true, None) => Err(Truncated("in its first lines").into()),
            (false, _) => Err(not_a_driver("it is a script without `CRCsum=`")),
        };
    }
    if let Some(error) = answer_of_server(head) {
        return Err(error);
    }
    Err(not_a_driver(match head {
        [0x7f, b'E', b'L', b'F', ..] => "it is a Linux program",
        [b'M', b'Z', ..] => "it is a Windows program",
        [b'!', b'<', b'a', b'r', b'c', b'h', b'>', ..] => "it is a Debian package",
        _ => "it does not begin as one",
    }))
}

pub(super) fn not_a_driver(why: &str) -> anyhow::Error {
    anyhow!("the file is not an NVIDIA driver package: {why}")
}

/// Returns the error for a file that is a web page or another answer of a server, which is what
/// an address behind a login or a challenge serves.
pub(super) fn answer_of_server(head: &[u8]) -> Option<anyhow::Error> {
    let text = String::from_utf8_lossy(&head[..head.len().min(4096)]).into_owned();
    let bare = text.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']);
    let lower = bare.to_ascii_lowercase();
    if lower.starts_with("<!doctype html") || lower.starts_with('<') && lower.contains("<html") {
        let title = title(bare, &lower)
            .map_or_else(String::new, |title| format!(" (\"{}\")", title.escape_debug()));
        return Some(anyhow!(
            "the file is a web page{title}, not a driver: the server requires a browser or a login; download the file manually and set its `path`"
        ));
    }
    if let Some(code) = element(bare, "Code").filter(|_| bare.starts_with('<')) {
        let message = element(bare, "Message").map(|it| format!(" ({it})")).unwrap_or_default();
        return Some(anyhow!(
            "the file is an answer of a storage server, not a driver: {code}{message}; get a new address, or download the file manually and set its `path`"
        ));
    }
    bare.starts_with(['{', '[']).then(|| {
        let start: String = bare.chars().take(120).collect();
        anyhow!("the file is an answer of a server, not a driver: `{}`", start.escape_debug())
    })
}

/// Returns the beginning of the text in an XML element, safe to show.
fn element(text: &str, name: &str) -> Option<String> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let (inner, _) = rest.split_once("</")?;
    let inner: String = inner.trim().chars().take(120).collect();
    (!inner.is_empty()).then(|| inner.escape_debug().to_string())
}

fn title(text: &str, lower: &str) -> Option<String> {
    let from = lower.find("<title")?;
    let from = from + lower[from..].find('>')? + 1;
    let to = from + lower[from..].find("</title")?;
    let title = text.get(from..to)?.trim();
    (!title.is_empty()).then(|| title.chars().take(80).collect())
}

/// Reads up to some number of bytes, and retries interrupted reads.
pub(super) fn read(file: &mut dyn Read, buf: &mut [u8]) -> io::Result<usize> {
    loop {
        match file.read(buf) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Returns the driver kind of a folder name: `NVIDIA-Linux-x86_64-535.230.02-vgpu-kvm`.
fn variant(folder: &str, version: &DriverVersion) -> anyhow::Result<(DriverKind, Variant)> {
    let other = || {
        let folder = folder.escape_debug();
        anyhow!(
            "`{folder}` is neither the host driver for Linux KVM (`-vgpu-kvm`, `-vgpu-kvm-aie`) nor a guest driver (`-grid`)"
        )
    };
    let rest = folder.strip_prefix("NVIDIA-Linux-x86_64-").ok_or_else(other)?;
    let rest = rest.strip_prefix(version.as_str()).ok_or_else(|| {
        wrong("targetdir", &format!("`{}` is not of version {version}", folder.escape_debug()))
    })?;
    match rest {
        "-vgpu-kvm" => Ok((DriverKind::Host, Variant::Original)),
        "-vgpu-kvm-aie" => Ok((DriverKind::Host, Variant::Enterprise)),
        "-vgpu-kvm-custom" => Ok((DriverKind::Host, Variant::Custom)),
        "-grid" => Ok((DriverKind::Guest, Variant::Original)),
        _ => Err(other()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_names_the_kind_of_driver() {
        let version = "535.230.02".parse().unwrap();
        let of = |folder: &str| variant(folder, &version);
        let host = of("NVIDIA-Linux-x86_64-535.230.02-vgpu-kvm").unwrap();
        assert_eq!(host, (DriverKind::Host, Variant::Original));
        let enterprise = of("NVIDIA-Linux-x86_64-535.230.02-vgpu-kvm-aie").unwrap();
        assert_eq!(enterprise, (DriverKind::Host, Variant::Enterprise));
        let custom = of("NVIDIA-Linux-x86_64-535.230.02-vgpu-kvm-custom").unwrap();
        assert_eq!(custom, (DriverKind::Host, Variant::Custom));
        let guest = of("NVIDIA-Linux-x86_64-535.230.02-grid").unwrap();
        assert_eq!(guest, (DriverKind::Guest, Variant::Original));
        for (folder, word) in [
            ("NVIDIA-Linux-x86_64-535.230.02", "neither the host driver"),
            ("NVIDIA-Linux-x86_64-535.1.2-grid", "no usable `targetdir`"),
        ] {
            let error = of(folder).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}
