use std::io::Write;

use anyhow::{Context as _, bail};
use camino::{Utf8Path, Utf8PathBuf};
use vgpu_manifest::{Bundle, Item, Verified};

use super::Context;
use super::inspect::summary;
use crate::apt::{Followed, day, follow};
use crate::options::TrustArgs;
use crate::ui::print;

/// Check that a bundle is trusted and that every byte of it is the signed one.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The bundle, or the first of its parts
    bundle: Utf8PathBuf,

    /// Compare the SHA-256 of every item as a whole, too, which `sha256sum` would do
    #[arg(long)]
    deep: bool,

    /// Follow the chain from the keys of the package archives to each package, too; this needs a
    /// bundle with `carry-index`
    #[arg(long, requires = "keyring")]
    upstream: bool,

    /// The keys of the package archives, which come from somewhere else than the bundle
    #[arg(long, value_name = "FILE", requires = "upstream")]
    keyring: Option<Utf8PathBuf>,

    #[command(flatten)]
    trust: TrustArgs,
}

/// How much of a payload to compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// Every chunk, which is every byte.
    Chunks,
    /// Every chunk, and every item as a whole.
    Deep,
}

impl Args {
    pub(crate) fn run(&self, context: &Context) -> anyhow::Result<()> {
        let bundle = self.trust.open(&self.bundle)?;
        let depth = if self.deep { Depth::Deep } else { Depth::Chunks };
        check(context, &bundle, &self.bundle, depth)?;
        if let Some(keyring) = &self.keyring {
            upstream(context, &bundle, keyring)?;
        }
        let intact = "intact: every byte is the one that was signed".to_owned();
        Ok(print(summary(&bundle).into_iter().chain([intact]))?)
    }
}

/// Follow the chain of every archive that packages came from.
fn upstream(
    context: &Context,
    bundle: &Bundle<Verified>,
    keyring: &Utf8Path,
) -> anyhow::Result<()> {
    let manifest = bundle.manifest();
    if manifest.archives.is_empty() {
        bail!("the bundle has no packages of an archive");
    }
    let copy = |item: &Item, out: &mut dyn Write| bundle.copy_item(item, out);
    for archive in &manifest.archives {
        let name = &archive.name;
        let Followed { release, notes, packages } = follow(manifest, archive, keyring, &copy)?;
        for note in notes {
            context.ui.note(format_args!("{name}: {note}"));
        }
        context.ui.note(format_args!(
            "{name}: of {}, signed by {}, vouches for {packages} packages",
            day(release.dated),
            release.signed_by
        ));
    }
    Ok(())
}

/// Read the whole payload.
pub(super) fn check(
    context: &Context,
    bundle: &Bundle<Verified>,
    path: &Utf8Path,
    depth: Depth,
) -> anyhow::Result<()> {
    let transfer = context.ui.transfer("verify", path.file_name().unwrap_or(path.as_str()));
    let size = bundle.manifest().items.iter().map(vgpu_manifest::Item::size).sum();
    transfer.expect(Some(size), 0);
    let progress = |bytes| transfer.advance(bytes);
    let checked = match depth {
        Depth::Chunks => bundle.check(&progress),
        Depth::Deep => bundle.check_deep(&progress),
    };
    checked.with_context(|| format!("the bundle `{path}` is not what was signed"))?;
    transfer.done(size);
    Ok(())
}
