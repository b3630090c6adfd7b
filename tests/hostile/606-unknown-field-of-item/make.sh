# An item has an unknown field.
. "${0%/*}/../lib.sh"

misstate '"size": 20' '"size": 20, "owner": "nobody"'
