# A header says that it is of GNU tar.
. "${0%/*}/../lib.sh"

cp "$good" "$out"
printf 'ustar  \0' | header conf/vgpu.conf 257
see ' conf/vgpu.conf$'
