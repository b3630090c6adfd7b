# An unknown field clears the terminal.
. "${0%/*}/../lib.sh"

misstate '"name": "sample"' '"name": "sample", "\u001b[2J": 1'
