# The signed list has a line less than there are items, so that item would be unsigned.
. "${0%/*}/../lib.sh"

unpack
sed '$d' m/SHA256SUMS | misroot
