# The member with the signatures is empty, so that the others lie in its place.
. "${0%/*}/../lib.sh"

unpack
: >m/SIGNATURES
pack
