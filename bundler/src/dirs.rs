//! The folders of a user, by the XDG base directory specification.

use std::env;

use camino::Utf8PathBuf;

/// The name of the folders of this program.
const NAME: &str = "vgpu-offline";

/// A folder of the user cannot be determined.
#[derive(Debug, thiserror::Error)]
#[error("neither `{variable}` nor `HOME` is an absolute path; name the {what} on the command line")]
pub(crate) struct NoHome {
    variable: &'static str,
    what: &'static str,
}

/// Returns the cache folder.
pub(crate) fn cache() -> Result<Utf8PathBuf, NoHome> {
    find("XDG_CACHE_HOME", ".cache", "cache")
}

/// Returns the folder of keys and allowed signers.
pub(crate) fn config() -> Result<Utf8PathBuf, NoHome> {
    find("XDG_CONFIG_HOME", ".config", "files")
}

/// Returns the configuration folder of the bundler alone, if the user has a home.
pub(crate) fn bundler_config() -> Option<Utf8PathBuf> {
    let offline = config().ok()?;
    Some(offline.with_file_name("vgpu-bundler"))
}

fn find(
    variable: &'static str,
    below_home: &str,
    what: &'static str,
) -> Result<Utf8PathBuf, NoHome> {
    // The specification requires that a relative path is ignored.
    let absolute =
        |name: &str| env::var(name).ok().map(Utf8PathBuf::from).filter(|path| path.is_absolute());
    absolute(variable)
        .or_else(|| absolute("HOME").map(|home| home.join(below_home)))
        .map(|base| base.join(NAME))
        .ok_or(NoHome { variable, what })
}
