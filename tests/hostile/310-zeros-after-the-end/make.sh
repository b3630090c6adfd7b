# Zeros follow the two blocks at the end, as tar writes them by default.
. "${0%/*}/../lib.sh"

unpack
pack -b20
