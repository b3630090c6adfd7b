use camino::Utf8PathBuf;
use vgpu_manifest::ui::count;

use crate::cli::{Exit, Target};
use crate::facts::{Serials, inventory};
use crate::host::real::write_outside;
use crate::ui::Ui;

/// Save a hardware inventory for vgpu-bundler.
///
/// Changes nothing and runs no command. The document has no host name and no serial numbers.
#[derive(Debug, clap::Args)]
pub(crate) struct Inventory {
    /// Write to this file instead of stdout
    #[arg(long, short, value_name = "FILE")]
    output: Option<Utf8PathBuf>,
    /// Include the host name, and serial numbers of machine, board and GPUs
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
                let gpus = count(inventory.gpus.len(), "GPU");
                let unread = count(inventory.unread.len(), "unreadable file");
                ui.say(format_args!("wrote {path:?}: {gpus}, {unread}"));
            }
            None => ui.print_document(&document)?,
        }
        Ok(Exit::Done)
    }
}
