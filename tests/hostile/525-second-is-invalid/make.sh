# The first signature is good; the second, by a trusted key too, is over something else.
. "${0%/*}/../lib.sh"

unpack
message=m/MANIFEST.json signature "$keys/bob" | slot 2
pack
