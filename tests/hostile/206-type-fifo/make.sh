# A member is a FIFO, which blocks the program that opens it.
. "${0%/*}/../lib.sh"

cp "$good" "$out"
printf '6' | header empty 156
see '^p.* empty$'
