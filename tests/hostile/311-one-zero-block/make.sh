# One zero block ends the archive, not two.
. "${0%/*}/../lib.sh"

head -c -512 "$good" >"$out"
