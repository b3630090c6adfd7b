# An item, correctly signed, becomes a GNU long name for the member after it.
. "${0%/*}/../lib.sh"

unpack
printf '../../etc/cron.d/evil\0' >m/extra
add extra
finish
see ' extra$'
printf 'L' | header extra 156
see ' \.\./\.\./etc/cron\.d/evil$'
