# Nothing ends the archive.
. "${0%/*}/../lib.sh"

head -c -1024 "$good" >"$out"
