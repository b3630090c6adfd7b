# The base of a left-out item is an array of its values.
. "${0%/*}/../lib.sh"

unpack
leave_out conf/profiles.conf "[\"sample\",1,\"$(sha256sum <m/empty | cut -c 1-64)\"]"
finish
