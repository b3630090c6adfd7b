# The mode of an item is a number.
. "${0%/*}/../lib.sh"

misstate '"mode": "0755"' '"mode": 493'
