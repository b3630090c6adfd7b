# A program gets the sticky bit.
. "${0%/*}/../lib.sh"

cp "$good" "$out"
printf '0001755' | header bin/tool 100
see '^-rwxr-xr-t.* bin/tool$'
