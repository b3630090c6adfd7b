# An item has no name.
. "${0%/*}/../lib.sh"

misname '' ''
