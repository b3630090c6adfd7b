# The address from which an item came clears the terminal.
. "${0%/*}/../lib.sh"

misstate '"kind": "file"' '"kind": "url", "url": "http://example.org/\u001b[2J"'
