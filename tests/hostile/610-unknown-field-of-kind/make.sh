# The record of an item has a field that its kind does not have.
. "${0%/*}/../lib.sh"

misstate '"size": 20' '"size": 20, "kind": {"catalog": {"unpacked": 1}}'
