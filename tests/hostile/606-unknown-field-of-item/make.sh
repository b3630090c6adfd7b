# An item has a field that nobody knows.
. "${0%/*}/../lib.sh"

misstate '"size": 20' '"size": 20, "owner": "nobody"'
