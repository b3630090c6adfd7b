use std::fs;

use anyhow::Context as _;
use camino::Utf8PathBuf;
use vgpu_manifest::{PartSize, Target, write_bundle};

use super::Context;
use super::fetch::fetch;
use super::update::{Pins, relock};
use crate::options::{NetworkArgs, ProjectArgs, SignerArgs, UnsuitableArgs};
use crate::pack;
use crate::size::ByteSize;
use crate::ui::print;

/// Make the signed bundle of the lock.
///
/// What is not locked yet is locked, and what is not in the cache is fetched. The path of the
/// bundle, or of its first part, is printed.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The folder for the bundle
    #[arg(long, short, value_name = "DIR", default_value = ".")]
    output: Utf8PathBuf,

    /// Split it into parts, by default as large as FAT32 can hold; SIZE is in steps of 4 MiB
    #[arg(long, value_name = "SIZE", num_args = 0..=1, require_equals = true, default_missing_value = "4092MiB", value_parser = part_size)]
    split: Option<PartSize>,

    #[command(flatten)]
    signer: SignerArgs,
    #[command(flatten)]
    project: ProjectArgs,
    #[command(flatten)]
    network: NetworkArgs,
    #[command(flatten)]
    unsuitable: UnsuitableArgs,
}

fn part_size(text: &str) -> Result<PartSize, String> {
    let size: ByteSize =
        text.parse().map_err(|error: crate::size::ParseSizeError| error.to_string())?;
    PartSize::new(size.bytes()).ok_or_else(|| "a part must have a multiple of 4 MiB".to_owned())
}

impl Args {
    pub(crate) fn run(&self, context: &Context) -> anyhow::Result<()> {
        let project = self.project.resolve()?;
        let network = self.network.resolve();
        let current = project.current_lock()?;
        // A wrong passphrase should not show only after an hour of downloads.
        let signer = self.signer.resolve()?;
        let cache = context.cache()?;
        let cache_lock = context.lock(&cache)?;
        let lock = match current {
            Some(lock) => {
                self.unsuitable.check(context, &lock)?;
                lock
            }
            None => relock(context, &project, &network, &cache_lock, Pins::Keep, self.unsuitable)?,
        };
        fetch(context, &project, &network, &cache_lock, &lock)?;

        let manifest = pack::manifest(&lock, &cache_lock)?;
        let output = &self.output;
        fs::create_dir_all(output).with_context(|| format!("cannot create `{output}`"))?;
        let path = output.join(lock.file_name());
        let target = Target { path: &path, split: self.split };
        let size = manifest.items.iter().map(vgpu_manifest::Item::size).sum();
        let transfer = context.ui.transfer("pack", &lock.file_name());
        transfer.expect(Some(size), 0);
        let progress = |bytes| transfer.advance(bytes);
        let digest = write_bundle(&manifest, &cache, &[&*signer], target, &progress)?;
        transfer.done(size);

        let key = signer.public_key().fingerprint();
        context.ui.note(format_args!("signed by {key}; SHA256SUMS has digest {digest}"));
        let first = if self.split.is_some() { format!("{path}.001") } else { path.into_string() };
        Ok(print([first])?)
    }
}
