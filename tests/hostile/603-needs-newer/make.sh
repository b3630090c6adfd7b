# The manifest is for later programs.
. "${0%/*}/../lib.sh"

misstate '"needs": "0.1.0"' '"needs": "99.0.0"'
