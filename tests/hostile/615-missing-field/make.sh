# The channel is missing.
. "${0%/*}/../lib.sh"

misstate '"channel": "stable",' ''
