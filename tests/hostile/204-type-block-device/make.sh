# A member is a block device, the first disk.
. "${0%/*}/../lib.sh"

cp "$good" "$out"
printf '0000010\0000000000' | header empty 329
printf '4' | header empty 156
see '^b.* 8,0 .* empty$'
