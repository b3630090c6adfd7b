# The record of an item is the array of its values.
. "${0%/*}/../lib.sh"

misstate '"size": 20' '"size": 20, "kind": {"tree": [1, 20]}'
