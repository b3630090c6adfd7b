# The format is text instead of a number.
. "${0%/*}/../lib.sh"

misstate '"format": 1' '"format": "1"'
