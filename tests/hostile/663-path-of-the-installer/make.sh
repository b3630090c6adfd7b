# A file is to replace one that the installer writes itself.
. "${0%/*}/../lib.sh"

misstate '/etc/vgpu/vgpu.conf' '/etc/modprobe.d/vgpu-offline.conf'
