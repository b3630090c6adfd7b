use camino::Utf8PathBuf;
use vgpu_manifest::catalog::DeviceId;
use vgpu_manifest::inventory::Inventory;
use vgpu_manifest::platform::{
    BootLoader, CpuVendor, KernelRelease, PciId, PveRelease, RootFs, SecureBoot,
};
use vgpu_manifest::verdict::{PoolFeatures, Target};

use crate::assist::expansion::{inventory_of, over};

/// Facts about a machine. Missing facts are unknown and are not held against it.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct MachineArgs {
    /// Inventory of the node; explicit options take precedence
    #[arg(long, value_name = "FILE")]
    pub(crate) inventory: Option<Utf8PathBuf>,

    /// Kernel release, such as `6.8.12-43-pve`
    #[arg(long, value_name = "RELEASE")]
    pub(crate) kernel: Option<KernelRelease>,

    /// Proxmox VE release, such as `8.4`
    #[arg(long, value_name = "RELEASE")]
    pub(crate) pve: Option<PveRelease>,

    /// Secure Boot: `on`, `off` or `unsupported`
    #[arg(long, value_name = "STATE", value_parser = secure_boot)]
    pub(crate) secure_boot: Option<SecureBoot>,

    /// Boot loader: `grub` or `systemd-boot`
    #[arg(long, value_name = "LOADER")]
    pub(crate) boot_loader: Option<BootLoader>,

    /// Root file system: `ext4`, `xfs`, `btrfs`, `zfs` or `other`
    #[arg(long, value_name = "KIND")]
    pub(crate) root: Option<RootFs>,

    /// Features of the root pool: `classic` or `openzfs-2.4`
    #[arg(long, value_name = "FEATURES")]
    pub(crate) pool: Option<PoolFeatures>,

    /// CPU vendor: `intel`, `amd` or `other`
    #[arg(long, value_name = "VENDOR")]
    pub(crate) cpu: Option<CpuVendor>,
}

/// `on` and `off` are accepted besides the canonical names.
fn secure_boot(text: &str) -> Result<SecureBoot, String> {
    match text {
        "on" => Ok(SecureBoot::Enabled),
        "off" => Ok(SecureBoot::Disabled),
        word => word.parse().map_err(|_| "expected `on`, `off` or `unsupported`".to_owned()),
    }
}

/// Parses a GPU's PCI id, or its device id alone, which users of the Bash script know.
pub(crate) fn gpu(text: &str) -> Result<PciId, String> {
    match text.parse::<DeviceId>() {
        Ok(device) => Ok(PciId::new(PciId::NVIDIA, device.0)),
        Err(_) => text.parse().map_err(|error: vgpu_manifest::ParseTextError| error.to_string()),
    }
}

impl MachineArgs {
    pub(crate) fn inventory(&self) -> anyhow::Result<Option<Inventory>> {
        self.inventory.as_deref().map(inventory_of).transpose()
    }

    /// Returns the equivalent command-line arguments.
    pub(crate) fn words(&self) -> Vec<(&'static str, String)> {
        let Self { inventory, kernel, pve, secure_boot, boot_loader, root, pool, cpu } = self;
        let words = [
            ("--inventory", inventory.as_ref().map(ToString::to_string)),
            ("--kernel", kernel.as_ref().map(ToString::to_string)),
            ("--pve", pve.map(|it| it.to_string())),
            ("--secure-boot", secure_boot.map(|it| it.to_string())),
            ("--boot-loader", boot_loader.map(|it| it.to_string())),
            ("--root", root.map(|it| it.to_string())),
            ("--pool", pool.map(|it| it.to_string())),
            ("--cpu", cpu.map(|it| it.to_string())),
        ];
        words.into_iter().filter_map(|(flag, value)| Some((flag, value?))).collect()
    }

    /// Returns the machine from the options, and otherwise from the inventory.
    pub(crate) fn target(&self, inventory: Option<&Inventory>) -> Target {
        let known = inventory.map(Target::from).unwrap_or_default();
        let facts = Target {
            pve: self.pve,
            kernel: self.kernel.clone(),
            secure_boot: self.secure_boot,
            boot_loader: self.boot_loader,
            root: self.root,
            pool: self.pool,
            cpu: self.cpu,
        };
        over(facts, known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_may_say_it_in_their_words() {
        assert_eq!(secure_boot("on"), Ok(SecureBoot::Enabled));
        assert_eq!(secure_boot("disabled"), Ok(SecureBoot::Disabled));
        assert!(secure_boot("yes").is_err());
        assert_eq!(gpu("1e07"), gpu("10de:1e07"));
        assert!(gpu("10de:1e30/10de:12ba").is_ok() && gpu("1E07").is_err());
    }
}
