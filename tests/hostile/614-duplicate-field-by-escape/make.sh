# A field stands there twice, the second time in another spelling.
. "${0%/*}/../lib.sh"

misstate '"sequence": 1' '"sequence": 1, "\u0073equence": 2'
