use super::super::Consent;
use super::super::remove::Remove as RemoveComponent;
use crate::cli::{Exit, Target};
use crate::component::Component;
use crate::host::Work;
use crate::license::data;
use crate::ui::{Tone, Ui};

/// Remove the license server.
///
/// Keeps keys, certificates and leases: without the root certificate, guests would not accept a
/// server that is installed here later.
#[derive(Debug, clap::Args)]
pub(crate) struct Remove {
    /// Also delete keys, certificates and leases; every guest must be set up again
    #[arg(long)]
    discard: bool,
    #[command(flatten)]
    consent: Consent,
}

const LOST: &str = "\
These will be lost, and every guest must be set up again:
  the root certificate that guests trust, and its key;
  the token signing keys;
  the leases.
`vgpu-installer license backup FILE` keeps them.";

impl Remove {
    pub(crate) fn run(self, target: Target, ui: &Ui) -> anyhow::Result<Exit> {
        target.check_may_change()?;
        if self.discard {
            ui.say(LOST);
            self.consent.ask(ui, "Delete all of it?")?;
        }
        let mut again = target.again()?;
        let exit = RemoveComponent::only(Component::Licensing, self.consent).run(target, ui)?;
        if !data::is_there(&again.host)? {
            return Ok(exit);
        }
        if self.discard {
            let _lock = again.lock()?;
            Work::discard(&mut again.host, &data::folder())?;
            ui.say(ui.paint_talk(Tone::Good, "discarded"));
        } else {
            ui.say(format_args!("kept: {} (keys, certificates, leases)", data::folder()));
        }
        Ok(exit)
    }
}
