# A member is of the type that some tars take for a regular file.
. "${0%/*}/../lib.sh"

cp "$good" "$out"
printf '7' | header empty 156
see '^C.* empty$'
