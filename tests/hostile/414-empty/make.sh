# The signed list is empty, and is signed.
. "${0%/*}/../lib.sh"

unpack
: | misroot
