# A member belongs to a group by name, whatever number that is.
. "${0%/*}/../lib.sh"

cp "$good" "$out"
printf 'shadow' | header conf/vgpu.conf 297
see '/shadow .* conf/vgpu.conf$'
