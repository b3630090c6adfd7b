# A field stands there twice, and readers differ on which one counts.
. "${0%/*}/../lib.sh"

misstate '"sequence": 1' '"sequence": 1, "sequence": 2'
