# A member is a character device.
. "${0%/*}/../lib.sh"

cp "$good" "$out"
printf '0000001\0000000005' | header empty 329
printf '3' | header empty 156
see '^c.* 1,5 .* empty$'
