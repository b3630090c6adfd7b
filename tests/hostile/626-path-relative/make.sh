# The host is to get a file at a relative path.
. "${0%/*}/../lib.sh"

misstate '/etc/vgpu/vgpu.conf' 'etc/vgpu.conf'
