# An item, correctly signed, becomes a PAX header that renames the member after it.
. "${0%/*}/../lib.sh"

unpack
printf '30 path=../../etc/cron.d/evil\n' >m/extra
add extra
finish
see ' extra$'
printf 'x' | header extra 156
see ' \.\./\.\./etc/cron\.d/evil$'
