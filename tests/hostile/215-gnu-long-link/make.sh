# An item, correctly signed, becomes a GNU long link target for the member after it.
. "${0%/*}/../lib.sh"

unpack
printf '/etc/shadow\0' >m/extra
add extra
finish
see ' extra$'
printf 'K' | header extra 156
see ' conf/vgpu.conf$'
