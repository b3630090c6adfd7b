# What the bundle needs clears the terminal.
. "${0%/*}/../lib.sh"

misstate '"needs": "0.1.0"' '"needs": "\u001b[2J"'
