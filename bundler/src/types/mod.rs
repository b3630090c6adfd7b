//! Everything that a recipe, a lock or a manifest can say.
//!
//! Types with one text form, the origins of items, and their pins. This is the ground floor of the
//! bundler: it imports no other module, and does no I/O.

mod alist;
mod archive;
mod build;
mod driver;
pub(crate) mod git;
pub(crate) mod image;
mod mega;
mod one_or_many;
mod origin;
mod path;
pub(crate) mod relation;
mod request;
mod retained;
mod url;

pub(crate) use self::alist::{AlistPath, AlistSource};
pub(crate) use self::archive::{Address, ParseSuiteError, Suite};
pub(crate) use self::build::{Build, Toolchain};
pub(crate) use self::driver::{FileName, Hypervisor, is_enterprise, releases};
pub(crate) use self::git::{GitOrigin, GitUrl};
pub(crate) use self::image::{ImageName, ImageSource, SavedImage};
pub(crate) use self::mega::MegaLink;
pub(crate) use self::one_or_many::OneOrMany;
pub(crate) use self::origin::{Expected, Origin, Pin};
pub(crate) use self::path::LocalPath;
pub(crate) use self::request::{Request, Upgrades};
pub(crate) use self::retained::{MAX_RETAINED, Retained};
pub(crate) use self::url::HttpUrl;
pub(crate) use vgpu_manifest::debian::{Stanza, StanzaError};
