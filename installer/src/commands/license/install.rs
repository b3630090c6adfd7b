use anyhow::Context as _;

use super::super::apply::Apply;
use crate::cli::{Exit, Refused, Target};
use crate::facts::{Serials, inventory};
use crate::license::{Service, Wish, data, notice};
use crate::ui::{Answer, Ui};

/// Run the licence server that a bundle carries on this node.
///
/// What else the bundle brings is applied along with it, as `apply` does. Keys and certificates are
/// made once, on this node; later bundles keep the server as it is. One server is enough for a cluster.
#[derive(Debug, clap::Args)]
pub(crate) struct Install {
    #[command(flatten)]
    wish: Wish,
    /// Say that the notice about this licence server was read and is agreed to.
    #[arg(long)]
    accept_notice: bool,
    #[command(flatten)]
    apply: Apply,
}

impl Install {
    pub(crate) fn run(self, mut target: Target, ui: &Ui) -> anyhow::Result<Exit> {
        target.check_may_change()?;
        let service = self.choose(&target)?;
        if !notice::is_accepted(&target.host)? {
            self.ask_notice(ui)?;
        }
        // The root is made before the plan is, because what guests are given has it in it.
        let lock = target.lock()?;
        notice::accept(&mut target.host)?;
        data::prepare_root(&mut target.host, &service)?;
        drop(lock);
        self.apply.serving(service).run(target, ui)
    }

    fn choose(&self, target: &Target) -> anyhow::Result<Service> {
        let none = || Refused::Senseless("name the bundle that has the licence server".to_owned());
        let (_, bundle) = self.apply.bundle().ok_or_else(none)?.open(&target.host)?;
        let facts = inventory(&target.host, Serials::LeaveOut);
        Service::choose(bundle.manifest(), &facts, &target.host, &self.wish)
            .context("this node cannot run the licence server")
    }

    fn ask_notice(&self, ui: &Ui) -> anyhow::Result<()> {
        ui.say(notice::TEXT);
        if self.accept_notice {
            return Ok(());
        }
        if !ui.can_ask() {
            let text = "the notice was not agreed to: `--accept-notice`";
            return Err(Refused::Senseless(text.to_owned()).into());
        }
        match ui.confirm("Do you agree, and answer for it?")? {
            Answer::Yes => Ok(()),
            Answer::No => Err(Refused::Declined.into()),
        }
    }
}
