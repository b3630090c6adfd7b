use camino::Utf8PathBuf;

use crate::cli::options::TrustArgs;
use crate::lock::{Outline, between, lines};
use crate::ui::{print, print_json};

/// Show the differences between two bundles. Prints nothing if there are none.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Earlier bundle
    old: Utf8PathBuf,

    /// Later bundle
    new: Utf8PathBuf,

    /// Print JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    trust: TrustArgs,
}

impl Args {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let [old, new] = [self.trust.open(&self.old)?, self.trust.open(&self.new)?];
        let [old, new] = [&old, &new].map(|bundle| Outline::from(bundle.manifest()));
        let changes = between(&old, &new);
        if self.json {
            return Ok(print_json(&changes)?);
        }
        Ok(print(lines(&changes))?)
    }
}
