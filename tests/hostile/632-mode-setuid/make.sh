# The manifest gives a program the set-uid bit.
. "${0%/*}/../lib.sh"

misstate '"mode": "0755"' '"mode": "4755"'
