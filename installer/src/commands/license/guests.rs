use camino::Utf8PathBuf;
use vgpu_manifest::{GuestTool, Manifest};

use super::super::check::applied;
use super::super::{GuestToolArgs, left_out};
use crate::cli::{Exit, Refused, Target};
use crate::host::real::{copy_outside, write_folder_outside};
use crate::license::elsewhere::told;
use crate::license::guest::{Feature, Guests};
use crate::license::{in_force, need};
use crate::plan::GuestTools;
use crate::state;
use crate::ui::{Tone, Ui, printable};

/// Write scripts, root certificate and a page for guests.
///
/// The scripts, one for Linux and one for Windows, fetch a token from the server of this node, or the
/// one that `license use` names, check it by its root certificate, put it in place, and show whether
/// the guest has its licence then. What guests of the applied bundle's drivers need beside that is told
/// by its catalogue.
#[derive(Debug, clap::Args)]
pub(crate) struct GuestFiles {
    /// The folder to write to; it is made if it is not there.
    #[arg(value_name = "DIR")]
    folder: Utf8PathBuf,
    /// The kind of licence that guests ask for. Without it their vGPU type decides.
    #[arg(long, value_enum)]
    feature: Option<Feature>,
    #[command(flatten)]
    guest_tools: GuestToolArgs,
}

impl GuestFiles {
    pub(crate) fn run(self, target: &Target, ui: &Ui) -> anyhow::Result<Exit> {
        let none = || {
            let text = "this node knows no licence server: `vgpu-installer license use` or `license install`";
            Refused::Senseless(text.to_owned())
        };
        let service = in_force(&target.host)?;
        let told = told(&target.host, service.as_ref())?.ok_or_else(none)?;
        let applied = applied(target.again()?)?;
        let known = applied.as_ref().and_then(|it| Some((it.catalog.as_ref()?, &it.manifest)));
        let needs = known.map_or_else(Vec::new, |(catalog, bundle)| need::lines(catalog, bundle));
        let files = Guests { told, feature: self.feature, needs: needs.clone() }.files();
        write_folder_outside(&self.folder, &files)?;
        let mut names: Vec<_> = files.iter().map(|(name, _)| (*name).to_owned()).collect();
        if let Some(applied) = &applied {
            names.extend(self.tools(&applied.manifest, target)?);
            let left = left_out(&applied.manifest, self.guest_tools.get());
            let why = if left.is_empty() { Vec::new() } else { needs };
            for line in left.iter().chain(&why) {
                ui.say(printable(line));
            }
        }
        ui.say(
            ui.paint_talk(Tone::Good, &format!("wrote {} to {:?}", names.join(", "), self.folder)),
        );
        Ok(Exit::Done)
    }

    /// Hand out the tools of the applied bundle, if that was asked for; returns their names.
    fn tools(&self, manifest: &Manifest, target: &Target) -> anyhow::Result<Vec<String>> {
        let mut names = Vec::new();
        if self.guest_tools.get() == GuestTools::LeftOut {
            return Ok(names);
        }
        for GuestTool { item } in &manifest.wants.guest_tools {
            let Some(found) = manifest.item(item) else { continue };
            let name = item.as_str().rsplit('/').next().unwrap_or_default().to_owned();
            let stored = target.host.locate(&state::stored(found.id()))?;
            copy_outside(&stored, &self.folder.join(&name))?;
            names.push(name);
        }
        Ok(names)
    }
}
