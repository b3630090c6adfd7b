use camino::Utf8PathBuf;

use crate::cli::{Exit, Refused, Target};
use crate::host::real::write_folder_outside;
use crate::license::elsewhere::told;
use crate::license::guest::{Feature, Guests};
use crate::license::in_force;
use crate::ui::{Tone, Ui};

/// Write scripts, root certificate and a page for guests.
///
/// The scripts, one for Linux and one for Windows, fetch a token from the server of this node, or the
/// one that `license use` names, check it by its root certificate, put it in place, and show whether
/// the guest has its licence then.
#[derive(Debug, clap::Args)]
pub(crate) struct GuestFiles {
    /// The folder to write to; it is made if it is not there.
    #[arg(value_name = "DIR")]
    folder: Utf8PathBuf,
    /// The kind of licence that guests ask for. Without it their vGPU type decides.
    #[arg(long, value_enum)]
    feature: Option<Feature>,
}

impl GuestFiles {
    pub(crate) fn run(self, target: &Target, ui: &Ui) -> anyhow::Result<Exit> {
        let none = || {
            let text = "this node knows no licence server: `vgpu-installer license use` or `license install`";
            Refused::Senseless(text.to_owned())
        };
        let service = in_force(&target.host)?;
        let told = told(&target.host, service.as_ref())?.ok_or_else(none)?;
        let files = Guests { told, feature: self.feature }.files();
        write_folder_outside(&self.folder, &files)?;
        let names: Vec<_> = files.iter().map(|(name, _)| *name).collect();
        ui.say(
            ui.paint_talk(Tone::Good, &format!("wrote {} to {:?}", names.join(", "), self.folder)),
        );
        Ok(Exit::Done)
    }
}
