# The header of an item says that it is 8 GiB.
. "${0%/*}/../lib.sh"

cp "$good" "$out"
printf '77777777777' | header conf/vgpu.conf 124
see ' 8589934591 .* conf/vgpu.conf$'
