# Unpacking an item would need 2 GiB of memory.
. "${0%/*}/../lib.sh"

misstate '"size": 20' '"size": 20, "kind": {"tree": {"unpacked": 1, "window-log": 31}}'
