# A regular file has the number of a device.
. "${0%/*}/../lib.sh"

cp "$good" "$out"
printf '0000001' | header conf/vgpu.conf 329
see ' conf/vgpu.conf$'
