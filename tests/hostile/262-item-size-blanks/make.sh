# The size of an item is right, but written with blanks.
. "${0%/*}/../lib.sh"

cp "$good" "$out"
printf '         24 ' | header conf/vgpu.conf 124
see ' 20 .* conf/vgpu.conf$'
