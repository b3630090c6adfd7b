# The lines of the armor end as those of DOS.
. "${0%/*}/../lib.sh"

unpack
signature | sed 's/$/\r/' | slot 1
pack
