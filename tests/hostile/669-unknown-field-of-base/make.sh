# The base of a left-out item has an unknown field.
. "${0%/*}/../lib.sh"

unpack
leave_out conf/profiles.conf "{\"url\":\"https://mirror.example\",$(base | cut -c 2-)"
finish
