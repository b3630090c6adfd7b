use camino::Utf8PathBuf;

use crate::cli::{Exit, Target};
use crate::facts::{Serials, inventory};
use crate::host::real::write_outside;
use crate::ui::Ui;

/// Write down what this machine is, for the bundler.
///
/// Nothing is changed, no command is run, and the document names no host and no serial number.
#[derive(Debug, clap::Args)]
pub(crate) struct Inventory {
    /// Write it to this file, on the stick for instance, instead of stdout.
    #[arg(long, short, value_name = "FILE")]
    output: Option<Utf8PathBuf>,
    /// Include the host's name, and the serial numbers of machine, board and GPUs.
    #[arg(long)]
    identity: bool,
}

impl Inventory {
    pub(crate) fn run(self, target: &Target, ui: &Ui) -> anyhow::Result<Exit> {
        let serials = if self.identity { Serials::Include } else { Serials::LeaveOut };
        let inventory = inventory(&target.host, serials);
        let document = inventory.to_json()?;
        match &self.output {
            Some(path) => {
                write_outside(path, document.as_bytes())?;
                let (gpus, unread) = (inventory.gpus.len(), inventory.unread.len());
                ui.say(format_args!("wrote {path:?}: {gpus} GPUs, {unread} files not understood"));
            }
            None => ui.print_document(&document)?,
        }
        Ok(Exit::Done)
    }
}
