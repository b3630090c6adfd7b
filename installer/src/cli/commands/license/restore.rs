use anyhow::Context as _;
use camino::Utf8PathBuf;

use super::super::Consent;
use super::{start, stop};
use crate::cli::{Advise as _, Exit, Refused, Target};
use crate::host::real::read_outside;
use crate::license::backup::{Backup, MAX_BACKUP};
use crate::license::{data, in_force};
use crate::ui::{Tone, Ui};

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
        let backup = Backup::parse(&bytes).with_context(|| format!("{:?}", self.backup))?;
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
