use camino::Utf8PathBuf;

use super::service_of;
use crate::cli::{Exit, Target};
use crate::host::real::write_secret_outside;
use crate::license::backup::Backup as Content;
use crate::license::leases;
use crate::ui::{Tone, Ui};

/// Write down everything that must not be lost, in one file.
///
/// That is the root that guests believe the server by, what tokens are signed with, and the leases, as
/// they are at this moment; the server goes on meanwhile. There are private keys in it: only its owner
/// can read the file, and it belongs where keys belong.
#[derive(Debug, clap::Args)]
pub(crate) struct Backup {
    /// The file to write; one that is there is not replaced.
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
