//! The `[[image]]` tables of a recipe.

use serde::Deserialize;
use toml::Spanned;
use vgpu_manifest::ui::ByteSize;
use vgpu_manifest::{ItemMode, ItemName};

use super::raw::{LARGEST, Placed};
use super::{Entry, Fault, Role};
use crate::types::image::{Platform, Registry, Transport};
use crate::types::{ImageName, ImageSource, Origin};

/// An image of a registry.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Image {
    name: Spanned<ItemName>,
    #[serde(rename = "image")]
    which: ImageName,
    #[serde(default = "Platform::host")]
    platform: Platform,
    #[serde(default)]
    mirror: Vec<Registry>,
    #[serde(default)]
    transport: Transport,
    max_size: Option<ByteSize>,
}

impl Image {
    pub(super) fn placed(this: Spanned<Self>) -> Result<Placed, Fault> {
        let at = this.span().start;
        let Self { name, which: image, platform, mirror, transport, max_size } = this.into_inner();
        if name.get_ref().as_str().rsplit_once('.').is_none_or(|(_, end)| end != "tar") {
            let what = format!(
                "the name of an image must end in `.tar`, as Proxmox VE requires, but this is `{}`",
                name.get_ref()
            );
            return Err(Fault { span: name.span(), what });
        }
        let entry = Entry {
            name: name.get_ref().clone(),
            mode: ItemMode::Plain,
            origin: Origin::Image(ImageSource { image, platform, mirror, transport }),
            sha256: None,
            max_size: max_size.unwrap_or(LARGEST).min(LARGEST),
            role: Role::Plain,
        };
        Ok(Placed { at, name, entry })
    }
}
