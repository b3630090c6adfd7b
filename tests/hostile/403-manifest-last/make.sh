# The signed list begins with an item, and the manifest comes last.
. "${0%/*}/../lib.sh"

unpack
{ sed 1d m/SHA256SUMS && sed -n 1p m/SHA256SUMS; } | misroot
