# A second manifest lies at the end: tar unpacks the first and then the second.
. "${0%/*}/../lib.sh"

unpack
pack
printf '{}' >m/MANIFEST.json
tar -C m --format=ustar -b1 -rf "$out" MANIFEST.json
[ "$(tar -tf "$out" | grep -cx MANIFEST.json)" = 2 ]
