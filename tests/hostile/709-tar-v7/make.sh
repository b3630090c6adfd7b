# The archive is as tar wrote them in 1979.
. "${0%/*}/../lib.sh"

unpack
format=v7 pack
tar -tf "$out" >listing
