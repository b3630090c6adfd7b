//! The conversation: prompts for everything that the command line leaves open.
//!
//! An empty answer is always the safe one. Every answer becomes a flag, so the result is a
//! command line, which is shown before anything is written.

use anyhow::bail;
use camino::{Utf8Path, Utf8PathBuf};
use vgpu_manifest::catalog::{Catalog, Release};
use vgpu_manifest::platform::PciId;

use super::packages::{Mirrors, Packages};
use super::{Args, command, parse};
use crate::assist::Licensing;
use crate::assist::expansion::inventory_of;
use crate::assist::proposal::Proposal;
use crate::cli::options::gpu;
use crate::recipe::{CHANNEL, NAME};
use crate::types::LocalPath;
use crate::ui::{Answer, Prompt};

/// Prompts for everything that `args` leave open.
///
/// With a name, the arguments count as complete, and only confirmations are requested.
pub(super) fn complete(to: &Prompt<'_>, args: &mut Args, catalog: &Catalog) -> anyhow::Result<()> {
    let is_new = args.name.is_none();
    if is_new {
        to.print("Press Enter to accept the value in brackets, or Ctrl-C to cancel without writing anything.");
        bundle(to, args)?;
        machine(to, args, catalog)?;
    }
    let confirmed = mirrors(to, args, catalog)?;
    if is_new && args.licensing.is_none() {
        let question = "Guest licensing: `nvidia-dls` (NVIDIA License System), `fastapi-dls` (third-party) or `none`";
        let choice: Licensing = to.ask(question, "none", parse)?;
        choice.notice().iter().for_each(|line| to.print(format_args!("  {line}")));
        args.licensing = Some(choice);
    }
    if !is_new && !confirmed {
        return Ok(());
    }
    args.no_input = true;
    to.print("Equivalent command:");
    to.print(format_args!("  {}", command::line(args)));
    match to.whether(&format!("Write `{}`?", args.recipe), Answer::Yes)? {
        Answer::Yes => Ok(()),
        Answer::No => bail!("declined; nothing was written"),
    }
}

fn bundle(to: &Prompt<'_>, args: &mut Args) -> anyhow::Result<()> {
    args.name = Some(to.ask("Name of the bundle", NAME, parse)?);
    if args.channel.is_none() {
        let question = "Channel, one that the policy of the nodes accepts";
        args.channel = Some(to.ask(question, CHANNEL, parse)?);
    }
    Ok(())
}

fn machine(to: &Prompt<'_>, args: &mut Args, catalog: &Catalog) -> anyhow::Result<()> {
    if args.machine.inventory.is_none() && args.gpu.is_empty() {
        ask_for_machine(to, args, catalog)?;
    }
    let proposal = args.proposal(catalog, args.machine.inventory()?.as_ref())?;
    let Some(proposal) = proposal else { return Ok(()) };
    to.print(format_args!("Proposed: {}", proposal.choice()));
    proposal.gpus().for_each(|line| to.print(line));
    let mut chosen = proposal.driver();
    if args.driver.is_none() && !args.passthrough {
        chosen = ask_for_driver(to, args, catalog, chosen.map(|(release, _)| release))?;
    }
    if let (Some((_, file)), None) = (chosen, &args.driver_file) {
        let question = "NVIDIA host driver, or the portal .zip that contains it";
        let usual = format!("inputs/{file}");
        let answer: LocalPath = to.ask(question, &usual, parse)?;
        args.driver_file = Some(answer).filter(|answer| answer.to_string() != usual);
    }
    Ok(())
}

fn ask_for_machine(to: &Prompt<'_>, args: &mut Args, catalog: &Catalog) -> anyhow::Result<()> {
    let question = "Inventory file, written by `vgpu-installer inventory` on the node";
    args.machine.inventory = to.ask(question, "none", |answer| {
        unless("none", answer, |path| {
            let path = Utf8PathBuf::from(path);
            has_driver(args, catalog, &path).map(|()| path)
        })
    })?;
    if args.machine.inventory.is_some() {
        return Ok(());
    }
    loop {
        let question = "GPUs to use for vGPU, as PCI IDs from `lspci -nn`";
        args.gpu =
            to.ask(question, "none", |answer| unless("none", answer, gpus))?.unwrap_or_default();
        if args.gpu.is_empty() {
            return Ok(());
        }
        if args.machine.pve.is_none() {
            let question = "Proxmox VE release on the node, such as 8.4";
            args.machine.pve = to.ask(question, "unknown", |it| unless("unknown", it, parse))?;
        }
        if args.machine.kernel.is_none() {
            let question = "Kernel of the node, from `uname -r`";
            args.machine.kernel = to.ask(question, "unknown", |it| unless("unknown", it, parse))?;
        }
        match args.proposal(catalog, None) {
            Ok(_) => return Ok(()),
            Err(error) => to.print(format_args!("  {error}")),
        }
        (args.machine.pve, args.machine.kernel) = (None, None);
    }
}

fn has_driver(args: &Args, catalog: &Catalog, path: &Utf8Path) -> Result<(), String> {
    let inventory = inventory_of(path).map_err(|error| format!("{error:#}"))?;
    args.proposal(catalog, Some(&inventory)).map(drop).map_err(|error| error.to_string())
}

fn gpus(answer: &str) -> Result<Vec<PciId>, String> {
    answer.split_ascii_whitespace().map(gpu).collect()
}

/// Parses an answer; `none` means `None`.
fn unless<T>(
    nothing: &str,
    answer: &str,
    read: impl FnOnce(&str) -> Result<T, String>,
) -> Result<Option<T>, String> {
    if answer == nothing { Ok(None) } else { read(answer).map(Some) }
}

/// Returns the release and its file name; `None` for passthrough.
fn ask_for_driver<'c>(
    to: &Prompt<'_>,
    args: &mut Args,
    catalog: &'c Catalog,
    proposed: Option<Release>,
) -> anyhow::Result<Option<(Release, &'c str)>> {
    let inventory = args.machine.inventory()?;
    let usual = proposed.map_or_else(|| PASSTHROUGH.to_owned(), |release| release.to_string());
    let question = "NVIDIA vGPU release, or `passthrough`";
    let (given, chosen) = to.ask(question, &usual, |answer| {
        let mut args = args.clone();
        args.passthrough = answer == PASSTHROUGH;
        args.driver = if args.passthrough { None } else { Some(parse(answer)?) };
        match args.proposal(catalog, inventory.as_ref()) {
            Ok(proposal) => Ok((args, proposal.as_ref().and_then(Proposal::driver))),
            Err(error) => Err(error.to_string()),
        }
    })?;
    *args = given;
    Ok(chosen)
}

const PASSTHROUGH: &str = "passthrough";

/// Shows the mirrors of the inventory and returns whether the user confirmed them.
fn mirrors(to: &Prompt<'_>, args: &mut Args, catalog: &Catalog) -> anyhow::Result<bool> {
    let inventory = args.machine.inventory()?;
    let proposal = args.proposal(catalog, inventory.as_ref())?;
    let packages = Packages::of(args, proposal.as_ref(), inventory.as_ref())?;
    let Some(packages) = packages.filter(|it| it.mirrors() == Mirrors::Unconfirmed) else {
        return Ok(false);
    };
    packages.to_confirm().iter().for_each(|line| to.print(line));
    let question = "Use these mirrors?";
    args.accept_mirrors = to.whether(question, Answer::No)? == Answer::Yes;
    Ok(true)
}
