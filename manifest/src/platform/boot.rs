use super::words::words;

words! {
    /// The program that loads the kernel.
    BootLoader, "a boot loader", {
        /// GRUB: words for the kernel go into `/etc/default/grub.d/`.
        Grub = "grub",
        /// systemd-boot: words for the kernel go into `/etc/kernel/cmdline`. PVE's installer
        /// chooses it only for UEFI with a ZFS root and without Secure Boot.
        SystemdBoot = "systemd-boot",
    }
}

words! {
    /// How the boot loader's files get to where the firmware finds them.
    BootSync, "a way to sync the boot loader", {
        /// `proxmox-boot-tool` copies kernels to the ESPs listed in `/etc/kernel/proxmox-boot-uuids`.
        ProxmoxBootTool = "proxmox-boot-tool",
        /// The loader reads `/boot` itself.
        Direct = "direct",
    }
}

words! {
    /// How the machine starts.
    Firmware, "a kind of firmware", {
        /// UEFI: the kernel shows `/sys/firmware/efi`.
        Uefi = "uefi",
        /// Legacy BIOS, or UEFI's imitation of one.
        Bios = "bios",
    }
}

words! {
    /// Whether the firmware loads only what is signed.
    SecureBoot, "a state of Secure Boot", {
        /// The variable `SecureBoot` is 1: modules must be signed by an enrolled key.
        Enabled = "enabled",
        /// UEFI, and not enforced.
        Disabled = "disabled",
        /// Legacy BIOS, or firmware without the variable.
        Unsupported = "unsupported",
    }
}

words! {
    /// The file system that `/` is on.
    RootFs, "a root file system", {
        /// ext4, what PVE's installer puts on LVM.
        Ext4 = "ext4",
        /// XFS.
        Xfs = "xfs",
        /// Btrfs.
        Btrfs = "btrfs",
        /// ZFS: a pool with newer features than a kernel's ZFS knows cannot be booted by it.
        Zfs = "zfs",
        /// Any other.
        Other = "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_reads_back_as_itself_also_in_json() {
        for fs in RootFs::ALL {
            let json = serde_json::to_string(fs).unwrap();
            assert_eq!(json, format!("\"{fs}\""));
            assert_eq!(serde_json::from_str::<RootFs>(&json).unwrap(), *fs);
        }
        assert_eq!("systemd-boot".parse(), Ok(BootLoader::SystemdBoot));
        assert_eq!("proxmox-boot-tool".parse(), Ok(BootSync::ProxmoxBootTool));
        assert_eq!("uefi".parse(), Ok(Firmware::Uefi));
        assert_eq!("unsupported".parse(), Ok(SecureBoot::Unsupported));
        assert!("GRUB".parse::<BootLoader>().is_err());
        assert!(serde_json::from_str::<SecureBoot>("true").is_err());
    }
}
