# The signed list says to be empty.
. "${0%/*}/../lib.sh"

cp "$good" "$out"
printf '00000000000\0' | header SHA256SUMS 124
