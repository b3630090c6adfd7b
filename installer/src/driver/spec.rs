use serde::{Deserialize, Serialize};
use vgpu_manifest::ItemName;
use vgpu_manifest::catalog::DriverVersion;
use vgpu_manifest::driver::PatchedFile;
use vgpu_manifest::platform::KernelRelease;

use crate::host::own::{self, fixed};
use crate::host::{Command, Content, Host, HostError, Look, OwnPath, OwnState};

const UNINSTALLER: &str = "/usr/bin/nvidia-uninstall";

/// A driver, and how it is to be installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct DriverSpec {
    /// The item's name in the bundle, for people.
    pub item: ItemName,
    /// What the package is, by which the store has it.
    pub content: Content,
    /// Its version.
    pub version: DriverVersion,
    /// The patches that are applied to the unpacked package, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub patches: Vec<DriverPatch>,
    /// How NVIDIA's installer is called, as the verdict says.
    pub args: Vec<String>,
    /// The kernels that its module is built for: the one that runs, and the newest.
    pub kernels: Vec<KernelRelease>,
}

/// A patch, with what it makes of which file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct DriverPatch {
    /// The item's name in the bundle, for people.
    pub item: ItemName,
    /// What the patch is, by which the store has it.
    pub content: Content,
    /// The files that it changes, with their digests before and after.
    pub files: Vec<PatchedFile>,
}

/// The versions of which DKMS has the sources, or whose uninstaller is there.
pub(crate) fn versions(look: &dyn Look) -> Result<Vec<String>, HostError> {
    let names = look.list(&fixed("/usr/src"))?.unwrap_or_default();
    let versions = names.iter().filter_map(|name| name.strip_prefix("nvidia-"));
    let numbers = versions.filter(|version| {
        version.bytes().all(|b| b.is_ascii_digit() || b == b'.')
            && version.starts_with(|c: char| c.is_ascii_digit())
    });
    Ok(numbers.map(str::to_owned).collect())
}

/// Whether the programs of a driver are there, of whatever version.
pub(crate) fn is_installed(look: &dyn Look) -> Result<bool, HostError> {
    Ok(look.stat(&fixed(UNINSTALLER))?.is_some())
}

/// Checks whether NVIDIA's installer has a record of files that it installed.
pub(crate) fn has_leftovers(look: &dyn Look) -> Result<bool, HostError> {
    Ok(look.list(&fixed("/var/lib/nvidia"))?.is_some_and(|names| !names.is_empty()))
}

/// Returns the command that removes the driver that is installed, of whatever version.
pub(crate) fn uninstall() -> Command {
    Command::new(UNINSTALLER, &["--silent"])
}

/// Where this program remembers the driver that it has installed, so that a later bundle can take
/// it away, and bring it back.
fn memory() -> OwnPath {
    own::dir().join("driver.json")
}

/// The driver that this program has installed last, if it is still there.
pub(crate) fn remembered(look: &dyn Look) -> Result<Option<DriverSpec>, HostError> {
    let Some(bytes) = look.read(&memory())? else { return Ok(None) };
    // What cannot be read is as good as forgotten: then the driver is somebody else's.
    let Ok(driver) = serde_json::from_slice::<DriverSpec>(&bytes) else { return Ok(None) };
    let is_there = versions(look)?.contains(&driver.version.to_string());
    Ok(Some(driver).filter(|_| is_there))
}

/// Remember a driver, or forget it.
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
