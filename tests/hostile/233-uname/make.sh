# A member belongs to a user by name, whatever number that is.
. "${0%/*}/../lib.sh"

cp "$good" "$out"
printf 'nobody' | header conf/vgpu.conf 265
see ' nobody/.* conf/vgpu.conf$'
