# A member belongs to a group that is not that of root.
. "${0%/*}/../lib.sh"

cp "$good" "$out"
printf '0001750' | header conf/vgpu.conf 116
see '/1000 .* conf/vgpu.conf$'
