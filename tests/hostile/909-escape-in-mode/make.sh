# The mode of an item clears the terminal.
. "${0%/*}/../lib.sh"

misstate '"mode": "0755"' '"mode": "\u001b[2J"'
