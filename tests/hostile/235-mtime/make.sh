# A member is from the future.
. "${0%/*}/../lib.sh"

cp "$good" "$out"
printf '77777777777' | header conf/vgpu.conf 136
see ' 2242-03-16 .* conf/vgpu.conf$'
