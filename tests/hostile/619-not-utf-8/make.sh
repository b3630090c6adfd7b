# The manifest has bytes that are no UTF-8.
. "${0%/*}/../lib.sh"

misstate '"kind": "file"' "\"kind\": \"$(printf '\377\376')\""
