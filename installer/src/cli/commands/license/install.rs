use anyhow::Context as _;

use super::super::apply::Apply;
use crate::cli::{Exit, Refused, Target};
use crate::facts::{Serials, inventory};
use crate::license::address::{AddressError, GuestHost, NodeNames};
use crate::license::{Service, Wish, data, in_force, notice};
use crate::ui::{Answer, Ui, printable};

/// Run the bundle's license server on this node.
///
/// Also applies the rest of the bundle, as `apply` does. Keys and certificates are created once,
/// on this node; later bundles keep the server. One server is enough for a cluster.
#[derive(Debug, clap::Args)]
pub(crate) struct Install {
    /// Address or resolvable name that guests use to reach the server; default: that of the
    /// existing server; prompts on a terminal
    #[arg(long, value_name = "HOST")]
    address: Option<GuestHost>,
    #[command(flatten)]
    wish: Wish,
    /// Accept the notice about this license server
    #[arg(long)]
    accept_notice: bool,
    #[command(flatten)]
    apply: Apply,
}

impl Install {
    pub(crate) fn run(self, mut target: Target, ui: &Ui) -> anyhow::Result<Exit> {
        target.check_may_change()?;
        let service = self.choose(&target, ui)?;
        if !notice::is_accepted(&target.host)? {
            self.ask_notice(ui)?;
        }
        // Create the root certificate before the plan, because the guest files contain it.
        let lock = target.lock()?;
        notice::accept(&mut target.host)?;
        if !data::prepare_root(&mut target.host, &service)? {
            ui.say(
                "note: keys and certificates of the license server are not created, because commands do \
                 not run under `--root`; repeat this command with `--chroot`, or on the node itself",
            );
        }
        drop(lock);
        self.apply.serving(service).run(target, ui)
    }

    fn choose(&self, target: &Target, ui: &Ui) -> anyhow::Result<Service> {
        let none = || Refused::Senseless("name the bundle with the license server".to_owned());
        let (_, bundle) = self.apply.bundle().ok_or_else(none)?.open(&target.host)?;
        let address = self.address(target, ui)?;
        let facts = inventory(&target.host, Serials::LeaveOut);
        Service::choose(bundle.manifest(), &facts, &target.host, (&address, &self.wish))
            .context("this node cannot run the license server")
    }

    /// Returns the address that guests use. It cannot be guessed: Debian resolves a host's own
    /// name to 127.0.1.1, and a node has several addresses.
    fn address(&self, target: &Target, ui: &Ui) -> anyhow::Result<GuestHost> {
        if let Some(address) = &self.address {
            return Ok(address.clone());
        }
        if let Some(service) = in_force(&target.host)? {
            return Ok(service.host);
        }
        if !ui.can_ask() {
            let text = "`--address` is required: the address guests use to reach the server";
            return Err(Refused::Senseless(text.to_owned()).into());
        }
        let has = NodeNames::look(&target.host)?.addresses;
        let has: Vec<_> = has.iter().map(ToString::to_string).collect();
        ui.say(format_args!("this node has {}", has.join(", ")));
        loop {
            let answer = ui.ask("Which address or name do guests use to reach the server?")?;
            if answer.is_empty() {
                return Err(Refused::Declined.into());
            }
            match answer.parse() {
                Ok(address) => return Ok(address),
                Err(error) => ui.say(printable(&AddressError::to_string(&error))),
            }
        }
    }

    fn ask_notice(&self, ui: &Ui) -> anyhow::Result<()> {
        ui.say(notice::TEXT);
        if self.accept_notice {
            return Ok(());
        }
        if !ui.can_ask() {
            let text = "the notice was not accepted; pass `--accept-notice`";
            return Err(Refused::Senseless(text.to_owned()).into());
        }
        match ui.confirm("Do you accept this notice?")? {
            Answer::Yes => Ok(()),
            Answer::No => Err(Refused::Declined.into()),
        }
    }
}
