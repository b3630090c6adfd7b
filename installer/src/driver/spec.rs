use serde::{Deserialize, Serialize};
use vgpu_manifest::ItemName;
use vgpu_manifest::catalog::DriverVersion;
use vgpu_manifest::driver::PatchedFile;
use vgpu_manifest::platform::KernelRelease;

use crate::host::own::{self, fixed};
use crate::host::{Command, Content, Host, HostError, Look, OwnPath, OwnState};

const UNINSTALLER: &str = "/usr/bin/nvidia-uninstall";

/// A driver, and how to install it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct DriverSpec {
    /// The item's name in the bundle, for display.
    pub(crate) item: ItemName,
    /// The digest and size by which the store finds the package.
    pub(crate) content: Content,
    /// Its version.
    pub(crate) version: DriverVersion,
    /// The patches for the unpacked package, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) patches: Vec<DriverPatch>,
    /// The arguments for `nvidia-installer`, from the verdict.
    pub(crate) args: Vec<String>,
    /// The kernels to build the module for: the running one and the newest.
    pub(crate) kernels: Vec<KernelRelease>,
}

/// A patch, with the files that it changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct DriverPatch {
    /// The item's name in the bundle, for display.
    pub(crate) item: ItemName,
    /// The digest and size by which the store finds the patch.
    pub(crate) content: Content,
    /// The files that it changes, with their digests before and after.
    pub(crate) files: Vec<PatchedFile>,
}

/// Returns the versions whose sources DKMS has, or whose uninstaller is present.
pub(crate) fn versions(look: &dyn Look) -> Result<Vec<String>, HostError> {
    let names = look.list(&fixed("/usr/src"))?.unwrap_or_default();
    let versions = names.iter().filter_map(|name| name.strip_prefix("nvidia-"));
    let numbers = versions.filter(|version| {
        version.bytes().all(|b| b.is_ascii_digit() || b == b'.')
            && version.starts_with(|c: char| c.is_ascii_digit())
    });
    Ok(numbers.map(str::to_owned).collect())
}

/// Checks whether the programs of a driver are present, of any version.
pub(crate) fn is_installed(look: &dyn Look) -> Result<bool, HostError> {
    Ok(look.stat(&fixed(UNINSTALLER))?.is_some())
}

/// Checks whether NVIDIA's installer has a record of installed files.
pub(crate) fn has_leftovers(look: &dyn Look) -> Result<bool, HostError> {
    Ok(look.list(&fixed("/var/lib/nvidia"))?.is_some_and(|names| !names.is_empty()))
}

/// Returns the command that removes the installed driver, of any version.
pub(crate) fn uninstall() -> Command {
    Command::new(UNINSTALLER, &["--silent"])
}

/// Returns the path of the record of the driver that this program installed, with which a later
/// bundle can remove and reinstall it.
fn memory() -> OwnPath {
    own::dir().join("driver.json")
}

/// Returns the driver that this program installed last, if it is still present.
pub(crate) fn remembered(look: &dyn Look) -> Result<Option<DriverSpec>, HostError> {
    // Without a record, the driver is treated as foreign.
    let Some(driver) = own::recall::<DriverSpec>(look, &memory()) else { return Ok(None) };
    let is_there = versions(look)?.contains(&driver.version.to_string());
    Ok(Some(driver).filter(|_| is_there))
}

/// Records a driver, or removes the record.
pub(crate) fn remember(host: &mut dyn Host, driver: Option<&DriverSpec>) -> Result<(), HostError> {
    let mut own = OwnState::of(host);
    match driver {
        Some(driver) => {
            let text = serde_json::to_vec(driver)
                .unwrap_or_else(|_| unreachable!("a driver is plain data"));
            own.replace(&memory(), &text, own::private())
        }
        None => own.remove(&memory()),
    }
}
