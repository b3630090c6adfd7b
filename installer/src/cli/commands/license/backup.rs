//! Backup and restore of the license server.

use anyhow::Context as _;
use camino::Utf8PathBuf;

use super::super::Consent;
use super::{service_of, start, stop};
use crate::cli::{Advise as _, Exit, Refused, Target};
use crate::host::real::{read_outside, write_secret_outside};
use crate::license::backup::{self, MAX_BACKUP};
use crate::license::{data, in_force};
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
        let leases = backup::snapshot(&target.host)?;
        let backup = backup::Backup::of(&target.host, leases)?;
        write_secret_outside(&self.output, &backup.to_bytes()?)?;
        let what = backup.names().collect::<Vec<_>>().join(", ");
        ui.say(ui.paint_talk(Tone::Good, &format!("wrote {:?}: {what}", self.output)));
        Ok(Exit::Done)
    }
}

/// Restore a backup.
///
/// Stops a running server during the restore. Without a server, `license install` uses the
/// restored files.
#[derive(Debug, clap::Args)]
pub(crate) struct Restore {
    /// Backup file
    #[arg(value_name = "FILE")]
    backup: Utf8PathBuf,
    /// Replace existing keys and certificates; their guests will need new files
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    consent: Consent,
}

impl Restore {
    pub(crate) fn run(self, mut target: Target, ui: &Ui) -> anyhow::Result<Exit> {
        target.check_may_change()?;
        let bytes = read_outside(&self.backup, MAX_BACKUP)?;
        let backup = backup::Backup::parse(&bytes).with_context(|| format!("{:?}", self.backup))?;
        let others = backup.replaces(&target.host)?;
        if !others.is_empty() && !self.replace {
            let others: Vec<_> = others.iter().map(ToString::to_string).collect();
            let text = format!("other keys exist already: {}", others.join(", "));
            return Err(Refused::Unfinished(text))
                .hint("run `license backup` to keep them, then pass `--replace`");
        }
        let service = backup.service()?;
        ui.say(format_args!("to restore: the license server at {}", service.url()));
        self.consent.ask(ui, "Restore it?")?;
        let _lock = target.lock()?;
        let host = &mut target.host;
        match in_force(host)? {
            None => backup.put_back(host)?,
            Some(runs) => {
                stop(host, &runs)?;
                // The server keeps running under the names that it has here.
                let put = backup.put_back(host).and_then(|()| data::prepare(host, &runs));
                start(host, &runs)?;
                put?;
            }
        }
        ui.say(ui.paint_talk(Tone::Good, "restored"));
        Ok(Exit::Done)
    }
}
