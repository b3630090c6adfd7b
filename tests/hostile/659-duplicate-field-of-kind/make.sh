# The record of an item has a field twice.
. "${0%/*}/../lib.sh"

misstate '"size": 20' '"size": 20, "kind": {"tree": {"unpacked": 1, "window-log": 20, "unpacked": 2}}'
