# An item, correctly signed, becomes a PAX header for all members after it.
. "${0%/*}/../lib.sh"

unpack
printf '18 uname=somebody\n' >m/extra
add extra
finish
see ' extra$'
printf 'g' | header extra 156
see ' somebody/.* conf/vgpu.conf$'
