# An item, correctly signed, becomes a PAX header that gives the member after it another size: readers that take the size of the ustar header go on at another place.
. "${0%/*}/../lib.sh"

unpack
printf '12 size=512\n' >m/extra
add extra
finish
see ' extra$'
printf 'x' | header extra 156
see ' 512 .* conf/vgpu.conf$'
