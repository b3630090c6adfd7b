//! Where a user's own files are, after the XDG base directory rules.

use std::env;

use camino::Utf8PathBuf;

/// The name of our folders.
const NAME: &str = "vgpu-offline";

/// A folder of the user cannot be worked out.
#[derive(Debug, thiserror::Error)]
#[error("neither `{variable}` nor `HOME` is an absolute path; name the {what} on the command line")]
pub(crate) struct NoHome {
    variable: &'static str,
    what: &'static str,
}

/// The folder of what can be fetched again.
pub(crate) fn cache() -> Result<Utf8PathBuf, NoHome> {
    find("XDG_CACHE_HOME", ".cache", "cache")
}

/// The folder of keys and allowed signers.
pub(crate) fn config() -> Result<Utf8PathBuf, NoHome> {
    find("XDG_CONFIG_HOME", ".config", "files")
}

fn find(
    variable: &'static str,
    below_home: &str,
    what: &'static str,
) -> Result<Utf8PathBuf, NoHome> {
    // The rules say that a path which is not absolute is to be ignored.
    let absolute =
        |name: &str| env::var(name).ok().map(Utf8PathBuf::from).filter(|path| path.is_absolute());
    absolute(variable)
        .or_else(|| absolute("HOME").map(|home| home.join(below_home)))
        .map(|base| base.join(NAME))
        .ok_or(NoHome { variable, what })
}
