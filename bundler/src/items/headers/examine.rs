use std::io::Read;

use anyhow::{Context as _, bail};
use vgpu_manifest::headers::HeadersRecord;
use vgpu_manifest::platform::KernelRelease;

use super::deb::payload;

/// The most unpacked bytes of a package: 1 GiB. Proxmox headers have about 120 MiB.
const MAX_UNPACKED: u64 = 1 << 30;

/// Reads a package in one pass. Returns `None` if it has no headers itself, as metapackages do.
pub(super) fn examine(package: impl Read) -> anyhow::Result<Option<HeadersRecord>> {
    let mut archive = tar::Archive::new(payload(package)?.take(MAX_UNPACKED));
    let (mut symvers, mut config) = (None, None);
    for entry in archive.entries()? {
        let mut entry = entry?;
        let Some(path) = entry.path().ok().and_then(|path| path.to_str().map(str::to_owned)) else {
            continue;
        };
        if !entry.header().entry_type().is_file() {
            continue;
        }
        match wanted(&path) {
            Some((kernel, Part::Symvers)) => {
                symvers = Some((kernel, text(&mut entry, &path)?, path));
            }
            Some((_, Part::Config)) => config = Some(text(&mut entry, &path)?),
            None => {}
        }
        if symvers.is_some() && config.is_some() {
            break;
        }
    }
    if symvers.is_none() && archive.into_inner().limit() == 0 {
        bail!("the package unpacks to more than {MAX_UNPACKED} bytes");
    }
    let Some(((kernel, symvers, path), config)) = symvers.zip(config) else { return Ok(None) };
    let record = HeadersRecord::of(kernel, &symvers, &config);
    Ok(Some(record.with_context(|| format!("`{}`", path.escape_debug()))?))
}

/// A file of interest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Symvers,
    Config,
}

/// Returns the kernel and the kind of a path like `./usr/src/linux-headers-RELEASE/…`.
fn wanted(path: &str) -> Option<(KernelRelease, Part)> {
    let path = path.trim_start_matches("./").strip_prefix("usr/src/")?;
    let (folder, file) = path.split_once('/')?;
    let (_, release) = folder.split_once("headers-")?;
    let part = match file {
        HeadersRecord::SYMVERS => Part::Symvers,
        HeadersRecord::CONFIG => Part::Config,
        _ => return None,
    };
    Some((release.parse().ok()?, part))
}

fn text(file: &mut impl Read, path: &str) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    file.take(HeadersRecord::MAX_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > HeadersRecord::MAX_FILE {
        bail!("`{}` is larger than any such file", path.escape_debug());
    }
    String::from_utf8(bytes).with_context(|| format!("`{}` is not text", path.escape_debug()))
}
