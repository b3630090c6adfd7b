# The host is to get an item that is not there.
. "${0%/*}/../lib.sh"

misstate '"item": "conf/vgpu.conf"' '"item": "conf/other.conf"'
