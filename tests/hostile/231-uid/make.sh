# A member belongs to a user who is not root.
. "${0%/*}/../lib.sh"

cp "$good" "$out"
printf '0001750' | header conf/vgpu.conf 108
see ' 1000/.* conf/vgpu.conf$'
