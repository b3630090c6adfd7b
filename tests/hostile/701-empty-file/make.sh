# The bundle is empty.
. "${0%/*}/../lib.sh"

: >"$out"
