# There is a third part.
. "${0%/*}/../lib.sh"

split -b 4M -a 3 --numeric-suffixes=1 "$good" "$out."
echo evil >"$out.003"
