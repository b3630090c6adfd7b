# The size of the signed list is padded with blanks, as old tars do.
. "${0%/*}/../lib.sh"

cp "$good" "$out"
printf '       1001 ' | header SHA256SUMS 124
