# A left-out item has two bases.
. "${0%/*}/../lib.sh"

unpack
leave_out conf/profiles.conf "$(base), \"base\": $(base)"
finish
