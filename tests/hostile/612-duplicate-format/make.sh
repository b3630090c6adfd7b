# The format stands there twice.
. "${0%/*}/../lib.sh"

misstate '"format": 1' '"format": 1, "format": 2'
