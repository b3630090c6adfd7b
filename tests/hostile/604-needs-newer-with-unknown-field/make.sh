# The manifest is for later programs, and has what those know: their version is what counts.
. "${0%/*}/../lib.sh"

misstate '"needs": "0.1.0"' '"needs": "99.0.0", "future": true'
