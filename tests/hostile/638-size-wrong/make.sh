# The manifest says that an item has a byte more than its header says.
. "${0%/*}/../lib.sh"

misstate '"size": 20' '"size": 21'
