use camino::Utf8PathBuf;
use vgpu_manifest::{GuestTool, Manifest};

use super::super::check::applied;
use super::super::{GuestToolArgs, left_out};
use crate::cli::{Exit, Refused, Target};
use crate::host::real::{copy_outside, write_folder_outside};
use crate::license::elsewhere::told;
use crate::license::guest::{Feature, Guests};
use crate::license::in_force;
use crate::plan::GuestTools;
use crate::state;
use crate::ui::{Tone, Ui, printable};

/// Write license scripts and instructions for guests.
///
/// The scripts, for Linux and Windows, fetch a token from the license server, check it by the
/// root certificate, install it, and show whether the guest is licensed. The page adds what the
/// applied bundle's guest drivers need.
#[derive(Debug, clap::Args)]
pub(crate) struct GuestFiles {
    /// Output folder, created if missing
    #[arg(value_name = "DIR")]
    folder: Utf8PathBuf,
    /// License type that guests request [default: that of their vGPU type]
    #[arg(long, value_enum)]
    feature: Option<Feature>,
    #[command(flatten)]
    guest_tools: GuestToolArgs,
}

impl GuestFiles {
    pub(crate) fn run(self, target: &Target, ui: &Ui) -> anyhow::Result<Exit> {
        let service = in_force(&target.host)?;
        let none = || {
            let text = if service.is_some() {
                "the license server of this node has no certificates yet; run `vgpu-installer license \
                 install` on the node itself, or with `--chroot`"
            } else {
                "no license server is configured on this node; run `vgpu-installer license use` or \
                 `license install`"
            };
            Refused::Senseless(text.to_owned())
        };
        let told = told(&target.host, service.as_ref())?.ok_or_else(none)?;
        let applied = applied(target.again()?)?;
        let needs = applied.as_ref().map_or_else(Vec::new, |applied| applied.source.needs());
        let files = Guests { told, feature: self.feature, needs: needs.clone() }.files();
        write_folder_outside(&self.folder, &files)?;
        let mut names: Vec<_> = files.iter().map(|(name, _)| (*name).to_owned()).collect();
        if let Some(applied) = &applied {
            names.extend(self.tools(&applied.source.manifest, target)?);
            let left = left_out(&applied.source.manifest, self.guest_tools.get());
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

    /// Writes the guest tools of the applied bundle, if requested, and returns their names.
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
