# The first signature is good, and the last slot holds something else.
. "${0%/*}/../lib.sh"

unpack
echo evil | slot 8
pack
