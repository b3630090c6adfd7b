use std::io::Write;

use anyhow::{Context as _, bail};
use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;
use vgpu_manifest::package::ArchiveName;
use vgpu_manifest::{Bundle, Item, ReadError, Verified};

use super::Context;
use super::inspect::summary;
use crate::apt::{Followed, day, follow};
use crate::cli::options::TrustArgs;
use crate::contents::Facts;
use crate::ui::{Advise as _, print, print_json};

/// Verify signatures and every byte of a bundle.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Bundle, or the first of its parts
    bundle: Utf8PathBuf,

    /// Also compare the whole SHA-256 of every item, as `sha256sum` does
    #[arg(long)]
    deep: bool,

    /// Also verify packages against their archives' signatures; needs a bundle with `carry-index`
    #[arg(long, requires = "keyring")]
    upstream: bool,

    /// Keyring of the package archives, from a source other than the bundle
    #[arg(long, value_name = "FILE", requires = "upstream")]
    keyring: Option<Utf8PathBuf>,

    /// Print JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    trust: TrustArgs,
}

/// A bundle that is intact and trusted.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Report<'b> {
    /// Every byte is as signed.
    intact: bool,
    /// With `--deep`: the whole digest of every item was compared, too.
    deep: bool,
    /// With `--upstream`: the archives that have signed the packages.
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream: Option<Vec<Vouched>>,
    #[serde(flatten)]
    bundle: Facts<'b>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
struct Vouched {
    /// The archive.
    archive: ArchiveName,
    /// The key that signed its index.
    signed_by: String,
    /// The number of packages.
    packages: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    Chunks,
    Deep,
}

impl Args {
    pub(crate) fn run(&self, context: &Context) -> anyhow::Result<()> {
        let bundle = self.trust.open(&self.bundle)?;
        let depth = if self.deep { Depth::Deep } else { Depth::Chunks };
        check(context, &bundle, &self.bundle, depth)?;
        let upstream = match &self.keyring {
            Some(keyring) => Some(upstream(context, &bundle, keyring)?),
            None => None,
        };
        if self.json {
            return Ok(print_json(&Report {
                intact: true,
                deep: self.deep,
                upstream,
                bundle: Facts::of(&bundle),
            })?);
        }
        let intact = "intact: every byte in it matches the signed digests".to_owned();
        Ok(print(summary(&bundle).into_iter().chain([intact]))?)
    }
}

/// Verifies the signature chain of every package archive.
fn upstream(
    context: &Context,
    bundle: &Bundle<Verified>,
    keyring: &Utf8Path,
) -> anyhow::Result<Vec<Vouched>> {
    let manifest = bundle.manifest();
    if manifest.archives.is_empty() {
        bail!("the bundle has no packages from an archive");
    }
    let is_package = |(item, _): &(&Item, _)| item.kind().package().is_some();
    if let Some((item, base)) = manifest.left_out().find(is_package) {
        let (item, base) = (item.name().clone(), base.clone());
        return Err(ReadError::LeftOut { item, base })
            .hint("a node that has it can check it: `vgpu-installer verify --upstream`");
    }
    // The archive signs whole digests, but the check of the bundle compares those of chunks.
    bundle
        .check_whole(&|item| item.kind().package().is_some(), &|_| {})
        .context("a package does not have the digest that the bundle records for it")?;
    let copy = |item: &Item, out: &mut dyn Write| bundle.copy_item(item, out);
    let mut vouched = Vec::new();
    for archive in &manifest.archives {
        let name = &archive.name;
        let Followed { release, notes, packages } = follow(manifest, archive, keyring, &copy)?;
        for note in notes {
            context.ui.note(format_args!("{name}: {note}"));
        }
        context.ui.note(format_args!(
            "{name}: release of {}, signed by {}, covers {packages} packages",
            day(release.dated),
            release.signed_by
        ));
        let signed_by = release.signed_by.to_string();
        vouched.push(Vouched { archive: name.clone(), signed_by, packages });
    }
    Ok(vouched)
}

pub(super) fn check(
    context: &Context,
    bundle: &Bundle<Verified>,
    path: &Utf8Path,
    depth: Depth,
) -> anyhow::Result<()> {
    let transfer = context.ui.transfer("verify", path.file_name().unwrap_or(path.as_str()));
    let size = bundle.manifest().carried_bytes();
    transfer.expect(Some(size), 0);
    let progress = |bytes| transfer.advance(bytes);
    let checked = match depth {
        Depth::Chunks => bundle.check(&progress),
        Depth::Deep => bundle.check_deep(&progress),
    };
    checked.with_context(|| format!("the bundle `{path}` does not match its signed digests"))?;
    transfer.done(size);
    Ok(())
}
