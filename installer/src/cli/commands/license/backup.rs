use camino::Utf8PathBuf;

use super::service_of;
use crate::cli::{Exit, Target};
use crate::host::real::write_secret_outside;
use crate::license::backup::Backup as Content;
use crate::license::leases;
use crate::ui::{Tone, Ui};

/// Back up keys, certificates and leases to one file.
///
/// The backup has the root certificate that guests trust, the token signing keys, and the current
/// leases. The server keeps running. The file contains private keys; only its owner can read it.
/// Store it like a key.
#[derive(Debug, clap::Args)]
pub(crate) struct Backup {
    /// File to create; an existing one is not replaced
    #[arg(value_name = "FILE")]
    output: Utf8PathBuf,
}

impl Backup {
    pub(crate) fn run(self, mut target: Target, ui: &Ui) -> anyhow::Result<Exit> {
        target.check_may_change()?;
        service_of(&target.host)?;
        let _lock = target.lock()?;
        let leases = leases::snapshot(&target.host)?;
        let backup = Content::of(&target.host, leases)?;
        write_secret_outside(&self.output, &backup.to_bytes()?)?;
        let what = backup.names().collect::<Vec<_>>().join(", ");
        ui.say(ui.paint_talk(Tone::Good, &format!("wrote {:?}: {what}", self.output)));
        Ok(Exit::Done)
    }
}
