# The second part is a FIFO.
. "${0%/*}/../lib.sh"

split -b 4M -a 3 --numeric-suffixes=1 "$good" "$out."
rm "$out.002"
mkfifo "$out.002"
