# A file that is asked for has a field that nobody knows.
. "${0%/*}/../lib.sh"

misstate '"path": "/etc/vgpu/vgpu.conf"' '"path": "/etc/vgpu/vgpu.conf", "owner": "nobody"'
