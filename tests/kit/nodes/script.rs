//! The state that the Bash script leaves on a host whose GPU it has unlocked.

use std::io;

use super::Root;

pub(super) fn write(root: &mut Root) -> io::Result<()> {
    checkout(root)?;
    unlock(root)?;
    boot(root)?;
    apt(root)?;
    license_server(root)?;
    root.file("/usr/bin/nvidia-uninstall", "")?;
    root.dir("/var/lib/dkms/nvidia/535.161.05")?;
    root.dir("/root/.cargo/bin")?;
    root.dir("/root/.rustup/toolchains")?;
    root.file("/usr/local/bin/patch", "")
}

fn checkout(root: &mut Root) -> io::Result<()> {
    let folder = "/root/proxmox-vgpu-installer";
    root.file(&format!("{folder}/gpu_info.db"), "SQLite format 3\0")?;
    root.file(&format!("{folder}/config.txt"), "STEP=2\nVGPU_SUPPORT=Yes\nDRIVER_VERSION=17,16\n")?;
    root.file(&format!("{folder}/debug.log"), "")?;
    root.file(&format!("{folder}/secure-boot/module-signing.key"), "")?;
    root.dir(&format!("{folder}/vgpu-proxmox"))?;
    let key = format!("{folder}/secure-boot/module-signing.key");
    root.file("/etc/dkms/framework.conf.d/nvidia-vgpu.conf", format!("mok_signing_key=\"{key}\"\n"))
}

fn unlock(root: &mut Root) -> io::Result<()> {
    root.file("/opt/vgpu_unlock-rs/target/release/libvgpu_unlock_rs.so", "")?;
    root.file("/etc/vgpu_unlock/profile_override.toml", "")?;
    let preload = "Environment=LD_PRELOAD=/opt/vgpu_unlock-rs/target/release/libvgpu_unlock_rs.so";
    for unit in ["nvidia-vgpud", "nvidia-vgpu-mgr"] {
        let drop_in = format!("/etc/systemd/system/{unit}.service.d/vgpu_unlock.conf");
        root.file(&drop_in, format!("[Service]\n{preload}\n"))?;
        let wants = format!("/etc/systemd/system/multi-user.target.wants/{unit}.service");
        root.link(&wants, &format!("/lib/systemd/system/{unit}.service"))?;
    }
    Ok(())
}

fn boot(root: &mut Root) -> io::Result<()> {
    root.file("/etc/modules", "vfio\nvfio_iommu_type1\nvfio_pci\nvfio_virqfd\n")?;
    root.file("/etc/modprobe.d/blacklist.conf", "blacklist nouveau\n")?;
    root.file("/etc/kernel/proxmox-boot-pin", "6.5.13-6-pve\n")?;
    let rule = "ACTION==\"add\", SUBSYSTEM==\"pci\", KERNELS==\"0000:02:00.0\", DRIVERS==\"*\", ATTR{driver_override}=\"vfio-pci\"\n";
    root.file("/etc/udev/rules.d/90-vfio-pci.rules", rule)
}

fn apt(root: &mut Root) -> io::Result<()> {
    let folder = "/etc/apt/sources.list.d";
    let pve = "deb http://pve.example/debian/pve bookworm pve-no-subscription\n";
    root.file(&format!("{folder}/pve-no-subscription.list"), pve)?;
    let off = "# deb https://enterprise.example/debian/pve bookworm pve-enterprise\n";
    root.file(&format!("{folder}/pve-enterprise.list.disabled"), off)?;
    std::fs::remove_file(root.at(&format!("{folder}/pve-enterprise.list")))?;
    let docker = "deb [arch=amd64 signed-by=/etc/apt/keyrings/docker.asc] https://docker.example/linux/debian bookworm stable\n";
    root.file(&format!("{folder}/docker.list"), docker)?;
    root.file("/etc/apt/keyrings/docker.asc", "")
}

fn license_server(root: &mut Root) -> io::Result<()> {
    root.file("/opt/docker/fastapi-dls/cert/webserver.key", "")?;
    root.file("/root/fastapi-dls/docker-compose.yml", "version: '3.9'\n")?;
    root.dir("/var/lib/docker/volumes/dls-db/_data")
}
