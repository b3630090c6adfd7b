//! Installed kernels, and the running one.

use std::io;

use super::Root;

/// Writes a running kernel with its command line.
pub(super) fn running(root: &mut Root, release: &str, words: &str) -> io::Result<()> {
    let cmdline =
        format!("BOOT_IMAGE=/boot/vmlinuz-{release} root=/dev/mapper/pve-root ro {words}");
    root.file("/proc/cmdline", format!("{}\n", cmdline.trim()))?;
    root.file("/proc/sys/kernel/osrelease", format!("{release}\n"))?;
    root.file("/proc/version", format!("Linux version {release} (build@proxmox)\n"))
}

/// Writes an installed kernel.
pub(super) fn installed(root: &mut Root, release: &str) -> io::Result<()> {
    root.file(&format!("/boot/vmlinuz-{release}"), format!("kernel {release}\n"))?;
    root.file(&format!("/boot/initrd.img-{release}"), format!("initramfs {release}\n"))?;
    root.file(&format!("/boot/config-{release}"), "CONFIG_MODULE_SIG=y\n")?;
    root.file(
        &format!("/usr/lib/modules/{release}/modules.dep"),
        "kernel/drivers/vfio/vfio.ko:\n",
    )?;
    let module = format!("/usr/lib/modules/{release}/kernel/drivers/vfio/vfio.ko");
    root.file(&module, format!("module for {release}\n"))
}

/// Writes the headers of a kernel.
pub(super) fn headers(root: &mut Root, release: &str) -> io::Result<()> {
    let source = format!("/usr/src/linux-headers-{release}");
    root.file(&format!("{source}/Makefile"), "# SPDX-License-Identifier: GPL-2.0\n")?;
    let symbols = "0x00000000\tvfio_register_group_dev\tvmlinux\tEXPORT_SYMBOL_GPL\t\n";
    root.file(&format!("{source}/Module.symvers"), symbols)?;
    root.link(&format!("/usr/lib/modules/{release}/build"), &source)
}

/// Writes a loaded module.
pub(super) fn module(root: &mut Root, name: &str, version: &str) -> io::Result<()> {
    root.file(&format!("/sys/module/{name}/initstate"), "live\n")?;
    if version.is_empty() {
        return Ok(());
    }
    root.file(&format!("/sys/module/{name}/version"), format!("{version}\n"))
}

/// Writes GRUB's files, as `update-grub` leaves them.
pub(super) fn grub(root: &mut Root, release: &str, words: &str) -> io::Result<()> {
    let defaults = format!(
        "GRUB_DEFAULT=0\nGRUB_TIMEOUT=5\nGRUB_DISTRIBUTOR=`lsb_release -i -s 2> /dev/null || echo Debian`\n\
         GRUB_CMDLINE_LINUX_DEFAULT=\"{words}\"\nGRUB_CMDLINE_LINUX=\"\"\n"
    );
    root.file("/etc/default/grub", defaults)?;
    root.dir("/etc/default/grub.d")?;
    let menu = format!(
        "menuentry 'Proxmox VE GNU/Linux' {{\n\tlinux /boot/vmlinuz-{release} \
         root=/dev/mapper/pve-root ro {words}\n\tinitrd /boot/initrd.img-{release}\n}}\n"
    );
    root.file("/boot/grub/grub.cfg", menu)
}
