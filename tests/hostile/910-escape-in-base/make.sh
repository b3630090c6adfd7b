# The name of the base of a left-out item has an escape sequence.
. "${0%/*}/../lib.sh"

unpack
leave_out conf/profiles.conf "$(base | sed 's/sample/a\\u001b[2J/')"
finish
