# A member is a GNU sparse file: 20 bytes that say they are 8 GiB.
. "${0%/*}/../lib.sh"

cp "$good" "$out"
printf 'ustar  \0' | header conf/vgpu.conf 257
printf '00000000000\00000000000024\0' | header conf/vgpu.conf 386
printf '77777777777' | header conf/vgpu.conf 483
printf S | header conf/vgpu.conf 156
see ' 8589934591 .* conf/vgpu.conf$'
