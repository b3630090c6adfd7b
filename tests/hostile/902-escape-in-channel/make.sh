# The channel sets the title of the terminal.
. "${0%/*}/../lib.sh"

misstate '"channel": "stable"' '"channel": "\u001b]0;trusted\u0007"'
