use anyhow::Context as _;
use camino::Utf8PathBuf;

use super::super::Consent;
use super::{start, stop};
use crate::cli::{Advise as _, Exit, Refused, Target};
use crate::host::real::read_outside;
use crate::license::backup::{Backup, MAX_BACKUP};
use crate::license::{data, in_force};
use crate::ui::{Tone, Ui};

/// Put a backup back.
///
/// A server that runs here is stopped for it, and started again. Without one, the backup waits for
/// `license install`, which uses what is there.
#[derive(Debug, clap::Args)]
pub(crate) struct Restore {
    /// The backup.
    #[arg(value_name = "FILE")]
    backup: Utf8PathBuf,
    /// Replace keys and certificates that are here and are others. Guests of these will need new ones.
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
            let text = format!("other keys are here already: {}", others.join(", "));
            return Err(Refused::Unfinished(text))
                .hint("`license backup` keeps them, and `--replace` then replaces them");
        }
        let service = backup.service()?;
        ui.say(format_args!("to put back: the licence server at {}", service.url()));
        self.consent.ask(ui, "Put it back?")?;
        let _lock = target.lock()?;
        let host = &mut target.host;
        match in_force(host)? {
            None => backup.put_back(host)?,
            Some(runs) => {
                stop(host, &runs)?;
                // What runs here goes on running here, by the names that it has here.
                let put = backup.put_back(host).and_then(|()| data::prepare(host, &runs));
                start(host, &runs)?;
                put?;
            }
        }
        ui.say(ui.paint_talk(Tone::Good, "put back"));
        Ok(Exit::Done)
    }
}
