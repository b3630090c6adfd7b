use super::bundle::{BundleArg, Depth, check, title};
use crate::cli::{Exit, Target};
use crate::store::Known;
use crate::trust::{Floors, admit};
use crate::ui::{Tone, Ui};

/// Check a bundle, every byte of it.
#[derive(Debug, clap::Args)]
pub(crate) struct Verify {
    #[command(flatten)]
    bundle: BundleArg,
    /// Compare the whole SHA-256 of every item as well, as `sha256sum -c` would. It takes longer
    /// and adds nothing for a bundle of our own bundler.
    #[arg(long)]
    deep: bool,
}

impl Verify {
    pub(crate) fn run(self, target: &Target, ui: &Ui) -> anyhow::Result<Exit> {
        let (policy, bundle) = self.bundle.open(&target.host)?;
        let depth = if self.deep { Depth::Whole } else { Depth::Chunks };
        let took = check(&bundle, depth, ui)?;

        let known = Known::of(&bundle);
        ui.print(format_args!(
            "{} {}",
            ui.paint(Tone::Good, "intact and trusted:"),
            title(&known)
        ))?;
        ui.print(format_args!("digest: {}", bundle.digest()))?;
        ui.say(format_args!("checked {} items, {took}", bundle.manifest().items.len()));
        // Whether this host would take it is another question, and worth an early word.
        if let Err(why) = admit(&policy, &Floors::load(&target.host)?, &bundle) {
            ui.say(format_args!(
                "{} `apply` would refuse it here: {why}",
                ui.paint_talk(Tone::Warn, "note:")
            ));
        }
        Ok(Exit::Done)
    }
}
