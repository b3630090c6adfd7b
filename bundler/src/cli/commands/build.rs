use std::fs;

use anyhow::Context as _;
use camino::Utf8PathBuf;
use serde::Serialize;
use vgpu_keys::{Fingerprint, Signer as _};
use vgpu_manifest::{Digest, Expected, PartSize, Target, write_bundle};

use super::Context;
use super::fetch::fetch;
use super::update::write_lock;
use crate::cli::options::{InputArgs, SignerArgs, TrustArgs, UnsuitableArgs, part_size};
use crate::delta::{Since, is_bundle};
use crate::fleet::Report;
use crate::pack;
use crate::recheck::{Repeating, recheck};
use crate::relock::Pins;
use crate::stick;
use crate::ui::{Advise as _, print, print_json};

/// Build the signed bundle from the lock.
///
/// Locks the recipe if it has no lock, downloads inputs that are not cached, and prints the path
/// of the bundle or of its first part.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Output folder
    #[arg(long, short, value_name = "DIR", default_value = ".")]
    output: Utf8PathBuf,

    /// Split the bundle into parts that fit on FAT32, or of SIZE (a multiple of 4 MiB)
    #[arg(long, value_name = "SIZE", num_args = 0..=1, require_equals = true, default_missing_value = "4092MiB", value_parser = part_size)]
    split: Option<PartSize>,

    /// Leave out what every target has already: the earlier bundle that all of them have, or the
    /// report of a target (repeat the option for several targets)
    #[arg(long, value_name = "BUNDLE|REPORT")]
    since: Vec<Utf8PathBuf>,

    /// Build the bundle a second time without trusting the cache, and compare
    #[arg(long)]
    check: bool,

    /// Print JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    signer: SignerArgs,
    #[command(flatten)]
    inputs: InputArgs,
    #[command(flatten)]
    unsuitable: UnsuitableArgs,
    #[command(flatten)]
    trust: TrustArgs,
}

impl Args {
    pub(crate) fn run(&self, context: &Context) -> anyhow::Result<()> {
        let (project, network) = self.inputs.resolve()?;
        let current = project.current_lock()?;
        let since = self.since()?;
        // Unlock the key first, so that a wrong passphrase fails before the downloads.
        let signer = Repeating::new(self.signer.resolve(&context.ui)?);
        let cache = context.cache()?;
        let cache_lock = context.lock(&cache)?;
        let lock = match current {
            Some(lock) => {
                self.unsuitable.check(context, &project.catalog.catalog, &lock)?;
                lock
            }
            None => {
                write_lock(context, &project, &network, &cache_lock, Pins::Keep, self.unsuitable)?
                    .lock
            }
        };
        fetch(context, &project, &network, &cache_lock, &lock)?;

        let manifest = since.leave_out(pack::manifest(&lock, &cache_lock)?);
        let output = &self.output;
        fs::create_dir_all(output).with_context(|| format!("cannot create `{output}`"))?;
        let path = output.join(manifest.file_name());
        let target = Target { path: &path, split: self.split };
        let size = manifest.carried_bytes();
        let transfer = context.ui.transfer("pack", &manifest.file_name());
        transfer.expect(Some(size), 0);
        let progress = |bytes| transfer.advance(bytes);
        let digest = write_bundle(&manifest, &cache, &[&signer], target, &progress)?;
        transfer.done(size);

        if self.check {
            let transfer = context.ui.transfer("check", &manifest.file_name());
            transfer.expect(Some(size), 0);
            let progress = |bytes| transfer.advance(bytes);
            recheck(&lock, &since, &cache, &signer, target, &progress)
                .hint("keep this lock and the cache of this machine, and report a bug")?;
            transfer.done(size);
            context.ui.note("built twice: both bundles are identical");
        }
        let key = signer.public_key().fingerprint();
        let first = if self.split.is_some() { format!("{path}.001") } else { path.to_string() };
        let left_out = Expected::of(manifest.left_out());
        if self.json {
            let made = Made {
                bundle: first,
                digest,
                sequence: lock.sequence,
                signed_by: key,
                rebuilt: self.check.then_some("identical"),
                left_out,
            };
            return Ok(print_json(&made)?);
        }
        context.ui.note(format_args!("signed by {key}; SHA256SUMS has digest {digest}"));
        for expected in &left_out {
            context.ui.note(format_args!("left out: {expected}"));
        }
        if left_out.is_empty() && !self.since.is_empty() {
            context.ui.note("nothing is left out: the targets share no item of this bundle");
        }
        // Without a name, `write` takes the full bundle.
        let bundle = if left_out.is_empty() { String::new() } else { format!(" {first}") };
        let named = if stick::installed().is_some() { "" } else { " --installer vgpu-installer" };
        context.ui.note(format_args!("next: vgpu-bundler write /media/stick{bundle}{named}"));
        Ok(print([first])?)
    }

    /// Reads what the targets have.
    fn since(&self) -> anyhow::Result<Since> {
        let mut since = Since::default();
        for path in &self.since {
            if is_bundle(path)? {
                since.add_bundle(&self.trust.open(path)?);
            } else {
                // A signature has to be valid, but need not be there: a wrong report makes a
                // bundle that hosts refuse.
                let report = Report::read(path, self.trust.resolve().ok().as_ref())?;
                since.add_report(path, report)?;
            }
        }
        Ok(since)
    }
}

/// A built bundle.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Made {
    /// The file of the bundle.
    bundle: String,
    /// The digest of its signed root.
    digest: Digest,
    /// The sequence in its channel.
    sequence: u64,
    /// The key that signed it.
    signed_by: Fingerprint,
    /// With `--check`: a second build had the same bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    rebuilt: Option<&'static str>,
    /// The items that are left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    left_out: Vec<Expected>,
}
