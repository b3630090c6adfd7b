# The bundle ends within its largest item, as when a stick is pulled.
. "${0%/*}/../lib.sh"

head -c 4000000 "$good" >"$out"
