# The size of an item is a fraction.
. "${0%/*}/../lib.sh"

misstate '"size": 20' '"size": 20.0'
