use camino::{Utf8Path, Utf8PathBuf};
use vgpu_manifest::{Item, ItemName, Manifest, shell_word};

use super::super::bundle::BundleArg;
use crate::cli::{Advise as _, Exit, Refused, Target};
use crate::host::real::write_outside_from;
use crate::ui::{Tone, Ui};

/// Extract the NVIDIA License System appliance from a bundle.
///
/// Verifies it like every item and writes it to a folder. Set it up by NVIDIA's instructions, as
/// a guest or on another machine, then pass its token to `license use --token`.
#[derive(Debug, clap::Args)]
pub(crate) struct Appliance {
    #[command(flatten)]
    bundle: BundleArg,
    /// Output folder, created if missing; Proxmox VE imports from it
    #[arg(long, short, value_name = "DIR")]
    output: Utf8PathBuf,
    /// Item of the bundle, if several match
    #[arg(long, value_name = "ITEM")]
    item: Option<ItemName>,
}

/// The folder of licensing items in a bundle.
const FOLDER: &str = "licensing/";

impl Appliance {
    pub(crate) fn run(self, target: &Target, ui: &Ui) -> anyhow::Result<Exit> {
        let (_, bundle) = self.bundle.open(&target.host)?;
        let item = find(bundle.manifest(), self.item.as_ref())?;
        let name = item.name().as_str().rsplit('/').next().unwrap_or_default();
        let path = self.output.join(name);
        write_outside_from(&self.output, name, |out| bundle.copy_item(item, out))??;
        ui.say(ui.paint_talk(Tone::Good, &format!("wrote {path:?}")));
        ui.say("set it up by NVIDIA's instructions; it needs about 6 GiB of memory");
        if is_disk(&path) {
            let path = shell_word(path.as_str());
            ui.say(format_args!("as a guest's disk: `qm importdisk VMID {path} STORAGE`"));
        }
        ui.say("then pass its token to guests: `vgpu-installer license use --token FILE`");
        Ok(Exit::Done)
    }
}

fn is_disk(path: &Utf8Path) -> bool {
    matches!(path.extension(), Some("qcow2" | "vmdk" | "raw" | "img"))
}

/// Returns the named item, or the only licensing item that is not a container image.
fn find<'m>(manifest: &'m Manifest, asked: Option<&ItemName>) -> anyhow::Result<&'m Item> {
    if let Some(name) = asked {
        let none = || Refused::Senseless(format!("the bundle has no item `{name}`"));
        return Ok(manifest.item(name).ok_or_else(none)?);
    }
    let is_image = |item: &Item| item.kind().image().is_some();
    let is_about = |item: &&Item| item.name().as_str().starts_with(FOLDER) && !is_image(item);
    let all: Vec<&Item> = manifest.items.iter().filter(is_about).collect();
    match all.as_slice() {
        [only] => Ok(only),
        [] => Err(Refused::Senseless(format!(
            "the bundle has no appliance: only container images below `{FOLDER}`"
        )))
        .hint("add NVIDIA's archive to the recipe: `[[file]]`, with a name such as `licensing/nls.zip`"),
        many => {
            let names = many.iter().map(|item| format!("`--item {}`", item.name()));
            let text = format!(
                "several items of the bundle match; name one: {}",
                names.collect::<Vec<_>>().join(" or ")
            );
            Err(Refused::Senseless(text).into())
        }
    }
}
