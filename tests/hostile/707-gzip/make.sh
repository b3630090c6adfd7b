# The bundle is compressed. Nothing decompresses what is not trusted yet.
. "${0%/*}/../lib.sh"

gzip -c "$good" >"$out"
tar -tf "$out" >listing
