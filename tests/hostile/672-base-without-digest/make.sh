# The base of a left-out item has a name only, which another bundle can have, too.
. "${0%/*}/../lib.sh"

unpack
leave_out conf/profiles.conf '{"name":"sample","sequence":1}'
finish
