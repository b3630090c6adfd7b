# A key has signed that was trusted once.
. "${0%/*}/../lib.sh"

unpack
newlines 4096 >m/SIGNATURES
signature "$keys/revoked" | slot 1
pack
