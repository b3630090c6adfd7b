use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::PermissionsExt as _;

use anyhow::Context as _;
use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;
use vgpu_manifest::{Bundle, Digest, Expected, Item, ItemName, Manifest, PIECE, Verified};

use super::Context;
use crate::cli::options::TrustArgs;
use crate::ui::print_json;

/// Extract items from a bundle. Each byte is verified before it is written.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Bundle, or the first of its parts
    bundle: Utf8PathBuf,

    /// Items by name [default: all that are in the bundle]
    #[arg(value_name = "ITEM")]
    items: Vec<ItemName>,

    /// Output folder
    #[arg(long, short, value_name = "DIR", default_value = ".")]
    output: Utf8PathBuf,

    /// Print JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    trust: TrustArgs,
}

impl Args {
    pub(crate) fn run(&self, context: &Context) -> anyhow::Result<()> {
        let bundle = self.trust.open(&self.bundle)?;
        let mut written = Vec::new();
        for item in self.chosen(bundle.manifest())? {
            let path = self.output.join(item.name().as_str());
            extract(&bundle, item, &path)?;
            context.ui.note(format_args!("wrote `{path}`"));
            written.push(Written {
                item: item.name(),
                path,
                size: item.size(),
                sha256: item.sha256(),
            });
        }
        if self.items.is_empty() {
            for expected in Expected::of(bundle.manifest().left_out()) {
                context.ui.note(format_args!("left out: {expected}"));
            }
        }
        if self.json {
            print_json(&written)?;
        }
        Ok(())
    }

    fn chosen<'m>(&self, manifest: &'m Manifest) -> anyhow::Result<Vec<&'m Item>> {
        if self.items.is_empty() {
            return Ok(manifest.carried().collect());
        }
        let names: BTreeSet<_> = self.items.iter().collect();
        let find = |name: &ItemName| {
            manifest.item(name).with_context(|| {
                format!("the bundle has no item `{name}`; `vgpu-bundler inspect` lists them")
            })
        };
        names.into_iter().map(find).collect()
    }
}

/// An extracted item.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Written<'w> {
    /// The name of the item.
    item: &'w ItemName,
    /// The file that was written.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    path: Utf8PathBuf,
    /// The size in bytes.
    size: u64,
    /// The digest of the content.
    sha256: Digest,
}

/// Writes `item` to `path` atomically. An existing file stays.
fn extract(bundle: &Bundle<Verified>, item: &Item, path: &Utf8Path) -> anyhow::Result<()> {
    let what = || format!("cannot write `{path}`");
    let folder = match path.parent() {
        Some(folder) if !folder.as_str().is_empty() => folder,
        _ => Utf8Path::new("."),
    };
    fs::create_dir_all(folder).with_context(what)?;
    let mut builder = tempfile::Builder::new();
    builder.permissions(fs::Permissions::from_mode(item.mode().bits()));
    let temporary = builder.prefix(".extract-").tempfile_in(folder).with_context(what)?;
    let mut out = BufWriter::with_capacity(PIECE, temporary);
    bundle.copy_item(item, &mut out)?;
    out.flush().with_context(what)?;
    let temporary = out.into_inner().map_err(io::IntoInnerError::into_error).with_context(what)?;
    temporary.as_file().sync_all().with_context(what)?;
    temporary.persist_noclobber(path).map_err(|error| error.error).with_context(what)?;
    File::open(folder).and_then(|folder| folder.sync_all()).with_context(what)
}
