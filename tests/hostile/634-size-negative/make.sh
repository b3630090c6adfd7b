# The size of an item is negative.
. "${0%/*}/../lib.sh"

misstate '"size": 20' '"size": -1'
