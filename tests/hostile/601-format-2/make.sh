# The manifest is of a later format.
. "${0%/*}/../lib.sh"

misstate '"format": 1' '"format": 2'
