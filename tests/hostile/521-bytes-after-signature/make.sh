# More bytes follow the signature, inside of the armor.
. "${0%/*}/../lib.sh"

unpack
{ signature | binary && printf evil; } | armor | slot 1
pack
