# A second part adds unsigned data.
. "${0%/*}/../lib.sh"

split -b 4M -a 3 --numeric-suffixes=1 "$good" "$out."
echo evil >>"$out.002"
