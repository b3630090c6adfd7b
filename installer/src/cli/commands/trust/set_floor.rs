use vgpu_keys::Channel;

use crate::cli::{Exit, Refused, Target};
use crate::host::OwnState;
use crate::trust::{self, Floors};
use crate::ui::Ui;

/// Set the lowest accepted sequence of a channel.
///
/// Floors rise automatically when a bundle is confirmed. Use this to lower a floor that a wrong
/// sequence raised, or to block old bundles in advance. The change is logged in
/// `/var/lib/vgpu-offline/trust.log`.
#[derive(Debug, clap::Args)]
pub(crate) struct SetFloor {
    /// Channel
    #[arg(value_name = "CHANNEL")]
    channel: Channel,
    /// Lowest accepted sequence
    #[arg(value_name = "SEQUENCE")]
    sequence: u64,
}

impl SetFloor {
    pub(crate) fn run(self, mut target: Target, ui: &Ui) -> anyhow::Result<Exit> {
        let Self { channel, sequence } = self;
        let _lock = target.lock()?;
        let policy = trust::require(&target.host)?;
        let mut floors = Floors::load(&target.host)?;
        if !policy.channels().contains(&channel) && floors.get(&channel).is_none() {
            let text = format!("this host does not accept the channel `{channel}`");
            return Err(Refused::Senseless(text).into());
        }
        let before = floors.set(&channel, sequence);
        let what = format!("set the floor of {channel} from {before} to {sequence}");
        // Without a log entry, the floor does not change.
        let mut own = OwnState::of(&mut target.host);
        trust::record(&mut own, &what)?;
        floors.save(&mut own)?;
        ui.say(format_args!("{channel} is accepted from sequence {sequence}; it was {before}"));
        Ok(Exit::Done)
    }
}
