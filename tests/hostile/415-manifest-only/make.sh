# The signed list has the manifest and nothing else.
. "${0%/*}/../lib.sh"

unpack
sed -n 1p m/SHA256SUMS | misroot
