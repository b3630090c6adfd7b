# The policy after the next one is in the bundle, but not the next one.
. "${0%/*}/../lib.sh"

unpack
document 3 alice bob | endorse alice bob | bring
