use std::io::Write as _;

use camino::Utf8PathBuf;

use crate::changes::{self, Outline};
use crate::options::TrustArgs;

/// Show what has changed between two bundles. Nothing is printed if they hold the same.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The earlier bundle
    old: Utf8PathBuf,

    /// The later bundle
    new: Utf8PathBuf,

    /// Print JSON for programs
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    trust: TrustArgs,
}

impl Args {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let [old, new] = [self.trust.open(&self.old)?, self.trust.open(&self.new)?];
        let [old, new] = [&old, &new].map(|bundle| Outline::from(bundle.manifest()));
        let changes = changes::between(&old, &new);
        let mut out = std::io::stdout().lock();
        if self.json {
            serde_json::to_writer_pretty(&mut out, &changes)?;
            writeln!(out)?;
        } else {
            for change in changes {
                writeln!(out, "{}", crate::ui::printable(&change.to_string()))?;
            }
        }
        Ok(())
    }
}
