# A member is a FIFO, which whoever opens it waits for.
. "${0%/*}/../lib.sh"

cp "$good" "$out"
printf '6' | header empty 156
see '^p.* empty$'
