# A header has bytes where POSIX says nothing.
. "${0%/*}/../lib.sh"

cp "$good" "$out"
printf 'hidden' | header conf/vgpu.conf 500
see ' conf/vgpu.conf$'
