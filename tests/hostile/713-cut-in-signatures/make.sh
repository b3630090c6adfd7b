# The bundle ends within the signatures.
. "${0%/*}/../lib.sh"

head -c 1000 "$good" >"$out"
