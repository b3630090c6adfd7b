# Two must sign, and one key has signed twice.
. "${0%/*}/../lib.sh"

unpack
signature | slot 2
pack
