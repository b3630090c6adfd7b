//! Container images as a recipe names them, and their places in a registry or on disk.

mod name;
mod platform;
mod saved;
mod source;

pub(crate) use self::name::{ImageName, parse_digest, shortened};
pub(crate) use self::platform::Platform;
pub(crate) use self::saved::SavedImage;
pub(crate) use self::source::{Asked, ImageSource, Registry, Transport};
