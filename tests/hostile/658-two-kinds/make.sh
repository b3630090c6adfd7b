# An item is of two kinds.
. "${0%/*}/../lib.sh"

misstate '"size": 20' '"size": 20, "kind": {"catalog": {}, "tree": {"unpacked": 1, "window-log": 20}}'
