# The last line of the signed list is not ended.
. "${0%/*}/../lib.sh"

unpack
head -c -1 m/SHA256SUMS | misroot
