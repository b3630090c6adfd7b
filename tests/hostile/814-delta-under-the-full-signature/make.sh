# A delta bundle has the signature of the full one.
. "${0%/*}/../lib.sh"

unpack
leave_out conf/profiles.conf
sums
pack
