# A member is a folder.
. "${0%/*}/../lib.sh"

cp "$good" "$out"
printf '5' | header empty 156
see '^d.* empty/*$'
