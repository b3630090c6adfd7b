# A kernel word begins an escape sequence with one character.
. "${0%/*}/../lib.sh"

misstate '"quiet"' '"quiet\u009b2J"'
