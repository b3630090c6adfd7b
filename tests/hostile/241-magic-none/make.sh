# A header says that it is of a tar before POSIX.
. "${0%/*}/../lib.sh"

cp "$good" "$out"
printf '\0\0\0\0\0\0\0\0' | header conf/vgpu.conf 257
see ' conf/vgpu.conf$'
