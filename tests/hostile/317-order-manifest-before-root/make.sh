# The manifest comes before the list that is signed.
. "${0%/*}/../lib.sh"

unpack
{ sed -n 1p names && sed -n 3p names && sed -n 2p names && sed 1,3d names; } >swapped
mv swapped names
pack
