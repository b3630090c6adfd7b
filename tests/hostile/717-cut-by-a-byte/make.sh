# The last byte is missing.
. "${0%/*}/../lib.sh"

head -c -1 "$good" >"$out"
