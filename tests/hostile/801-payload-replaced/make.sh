# An item has other bytes than were signed.
. "${0%/*}/../lib.sh"

unpack
printf 'profile = nvidia-99\n' >m/conf/vgpu.conf
pack
