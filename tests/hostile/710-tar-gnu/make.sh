# The archive is in the format of GNU tar.
. "${0%/*}/../lib.sh"

unpack
format=gnu pack
