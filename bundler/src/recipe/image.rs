//! The `[[image]]` tables of a recipe.

use serde::Deserialize;
use toml::Spanned;
use vgpu_manifest::ui::ByteSize;
use vgpu_manifest::{ItemMode, ItemName};

use super::raw::{LARGEST, Placed};
use super::{Entry, Fault, Role};
use crate::types::image::{Platform, Registry, Transport};
use crate::types::{ImageName, ImageSource, LocalPath, Origin, SavedImage};

/// An image of a registry, or on disk.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Image {
    name: Spanned<ItemName>,
    path: Option<LocalPath>,
    #[serde(rename = "image")]
    which: Option<ImageName>,
    #[serde(default = "Platform::host")]
    platform: Platform,
    #[serde(default)]
    mirror: Vec<Registry>,
    transport: Option<Transport>,
    max_size: Option<ByteSize>,
}

impl Image {
    pub(super) fn placed(this: Spanned<Self>) -> Result<Placed, Fault> {
        let span = this.span();
        let at = span.start;
        let Self { name, path, which: image, platform, mirror, transport, max_size } =
            this.into_inner();
        if name.get_ref().as_str().rsplit_once('.').is_none_or(|(_, end)| end != "tar") {
            let what = format!(
                "the name of an image must end in `.tar`, as Proxmox VE requires, but this is `{}`",
                name.get_ref()
            );
            return Err(Fault { span: name.span(), what });
        }
        let origin = match (path, image) {
            (Some(path), image) if mirror.is_empty() && transport.is_none() => {
                Origin::SavedImage(SavedImage { path, image, platform })
            }
            (Some(_), _) => {
                let what = "`mirror` and `transport` are for registries, but `path` names an image on disk";
                return Err(Fault { span, what: what.to_owned() });
            }
            (None, Some(image)) => {
                let transport = transport.unwrap_or_default();
                Origin::Image(ImageSource { image, platform, mirror, transport })
            }
            (None, None) => {
                let name = name.get_ref();
                let what = format!(
                    "`{name}` needs `image`, its name in a registry, or `path`, an image on disk"
                );
                return Err(Fault { span, what });
            }
        };
        let entry = Entry {
            name: name.get_ref().clone(),
            mode: ItemMode::Plain,
            origin,
            sha256: None,
            max_size: max_size.unwrap_or(LARGEST).min(LARGEST),
            role: Role::Plain,
        };
        Ok(Placed { at, name, entry })
    }
}
