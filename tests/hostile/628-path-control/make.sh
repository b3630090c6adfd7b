# The host is to get a file at a path with a line break.
. "${0%/*}/../lib.sh"

misstate '/etc/vgpu/vgpu.conf' '/etc/vgpu/a\nb'
