# The slot begins with a newline, so that the signature in it begins later.
. "${0%/*}/../lib.sh"

unpack
{ echo && signature; } | slot 1
pack
