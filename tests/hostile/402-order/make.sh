# The signed list has the items in another order than the manifest.
. "${0%/*}/../lib.sh"

unpack
{ sed -n 1p m/SHA256SUMS && sed 1d m/SHA256SUMS | sort -r; } | misroot
