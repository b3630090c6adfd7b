# A digest clears the terminal.
. "${0%/*}/../lib.sh"

misstate '"size": 20' '"size": 20, "chunks": ["\u001b[2J"]'
