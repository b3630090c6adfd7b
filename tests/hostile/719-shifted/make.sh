# A byte has come in at the beginning.
. "${0%/*}/../lib.sh"

{ printf x && cat "$good"; } >"$out"
