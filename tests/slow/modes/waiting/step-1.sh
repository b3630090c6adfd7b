# The commands of proxmox-vgpu-installer 1.84, "New vGPU installation", step 1, for a natively supported
# GPU and an AMD CPU, in its order. Not here:
#
# * downloads: every package is in a local archive;
# * questions, and what the script only does after a yes: `dist-upgrade`, and the setup of Proxmox's helper;
# * Proxmox's archives, which it writes first, and their kernel, for which Debian's stands here.
apt-get update
apt-get install -y $PACKAGES
apt-get install -y "linux-image-$(uname -r)"
apt-get install -y "linux-headers-$(uname -r)"
sed -i '/GRUB_CMDLINE_LINUX_DEFAULT/s/"$/ amd_iommu=on iommu=pt"/' /etc/default/grub
update-grub
printf '%s\n' vfio vfio_iommu_type1 vfio_pci vfio_virqfd >>/etc/modules
echo "blacklist nouveau" >>/etc/modprobe.d/blacklist.conf
update-initramfs -u -k all
