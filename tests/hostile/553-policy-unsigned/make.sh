# The policy has no signature.
. "${0%/*}/../lib.sh"

unpack
document 2 alice bob | bring
