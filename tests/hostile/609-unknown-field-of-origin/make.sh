# The origin of an item has a field that its kind does not have.
. "${0%/*}/../lib.sh"

misstate '"kind": "file"' '"kind": "file", "url": "http://example.org"'
