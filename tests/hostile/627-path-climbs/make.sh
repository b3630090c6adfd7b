# The host is to get a file at a path that climbs.
. "${0%/*}/../lib.sh"

misstate '/etc/vgpu/vgpu.conf' '/etc/vgpu/../shadow'
