# A field whose value is kept for later has two thousand brackets.
. "${0%/*}/../lib.sh"

deep=$(head -c 1000 /dev/zero | tr '\0' '[')$(head -c 1000 /dev/zero | tr '\0' ']')
misstate '"kind": "file"' "\"x\": $deep"
