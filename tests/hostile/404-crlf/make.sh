# The lines of the signed list end as those of DOS.
. "${0%/*}/../lib.sh"

unpack
sed 's/$/\r/' m/SHA256SUMS | misroot
