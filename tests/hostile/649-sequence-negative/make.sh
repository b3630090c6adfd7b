# The sequence is negative.
. "${0%/*}/../lib.sh"

misstate '"sequence": 1' '"sequence": -1'
