# Two items have names that differ only in case, so FAT32 keeps one. All is correctly signed.
. "${0%/*}/../lib.sh"

misname 'conf/VGPU.conf' 'conf/VGPU.conf'
see ' conf/VGPU.conf$'
