# A program gets the set-uid bit.
. "${0%/*}/../lib.sh"

cp "$good" "$out"
printf '0004755' | header bin/tool 100
see '^-rwsr-xr-x.* bin/tool$'
