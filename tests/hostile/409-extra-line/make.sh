# The signed list has a line more than there are items.
. "${0%/*}/../lib.sh"

unpack
{ cat m/SHA256SUMS && sed -n 2p m/SHA256SUMS | sed 's|conf/vgpu.conf|extra|'; } | misroot
