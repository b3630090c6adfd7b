# The size of an item stands there twice.
. "${0%/*}/../lib.sh"

misstate '"size": 20' '"size": 20, "size": 21'
