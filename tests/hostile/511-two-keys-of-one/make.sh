# Two must sign, and one has signed with two keys.
. "${0%/*}/../lib.sh"

unpack
signature "$keys/alice-2" | slot 2
pack
