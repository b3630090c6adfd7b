# All slots are empty.
. "${0%/*}/../lib.sh"

unpack
newlines 4096 >m/SIGNATURES
pack
