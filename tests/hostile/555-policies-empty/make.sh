# The item with the policies is empty.
. "${0%/*}/../lib.sh"

unpack
: | bring
