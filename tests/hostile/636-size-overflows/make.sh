# The size of an item is right again when its highest bits are lost.
. "${0%/*}/../lib.sh"

misstate '"size": 20' '"size": 18446744073709551636'
