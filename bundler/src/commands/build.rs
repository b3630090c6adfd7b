use std::fs;

use anyhow::Context as _;
use camino::Utf8PathBuf;
use serde::Serialize;
use vgpu_keys::Fingerprint;
use vgpu_manifest::{Digest, PartSize, Target, write_bundle};

use super::Context;
use super::fetch::fetch;
use super::update::{Pins, relock};
use crate::exit::Advise as _;
use crate::options::{NetworkArgs, ProjectArgs, SignerArgs, UnsuitableArgs, part_size};
use crate::pack;
use crate::recheck::recheck;
use crate::ui::{print, print_json};

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

    /// Build it a second time, from every byte in the cache, and compare
    #[arg(long)]
    check: bool,

    /// Print JSON for programs
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    signer: SignerArgs,
    #[command(flatten)]
    project: ProjectArgs,
    #[command(flatten)]
    network: NetworkArgs,
    #[command(flatten)]
    unsuitable: UnsuitableArgs,
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
            None => {
                relock(context, &project, &network, &cache_lock, Pins::Keep, self.unsuitable)?.lock
            }
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

        if self.check {
            let transfer = context.ui.transfer("check", &lock.file_name());
            transfer.expect(Some(size), 0);
            let progress = |bytes| transfer.advance(bytes);
            recheck(&lock, &cache, &*signer, target, &progress)
                .hint("keep both this lock and this machine's cache; it is worth a report")?;
            transfer.done(size);
            context.ui.note("built twice: the same, byte for byte");
        }
        let key = signer.public_key().fingerprint();
        let first = if self.split.is_some() { format!("{path}.001") } else { path.to_string() };
        if self.json {
            let made = Made {
                bundle: first,
                digest,
                sequence: lock.sequence,
                signed_by: key,
                rebuilt: self.check.then_some("identical"),
            };
            return Ok(print_json(&made)?);
        }
        context.ui.note(format_args!("signed by {key}; SHA256SUMS has digest {digest}"));
        Ok(print([first])?)
    }
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Made {
    /// The bundle, or the first of its parts.
    bundle: String,
    /// The digest of its signed root.
    digest: Digest,
    sequence: u64,
    signed_by: Fingerprint,
    /// What came of building it a second time, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    rebuilt: Option<&'static str>,
}
