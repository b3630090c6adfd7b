# A requested file has an unknown field.
. "${0%/*}/../lib.sh"

misstate '"path": "/etc/vgpu/vgpu.conf"' '"path": "/etc/vgpu/vgpu.conf", "owner": "nobody"'
