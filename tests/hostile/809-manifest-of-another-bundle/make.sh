# The manifest is that of a later bundle of the same signer, the rest is of this one.
. "${0%/*}/../lib.sh"

unpack
replace '"sequence": 1' '"sequence": 2'
pack
