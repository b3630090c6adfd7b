# The sequence is nothing at all.
. "${0%/*}/../lib.sh"

misstate '"sequence": 1' '"sequence": null'
