# Of two parts only the first is there.
. "${0%/*}/../lib.sh"

split -b 4M -a 3 --numeric-suffixes=1 "$good" "$out."
rm "$out.002"
