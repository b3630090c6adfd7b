# An ECDSA key has signed.
. "${0%/*}/../lib.sh"

unpack
ssh-keygen -q -t ecdsa -b 256 -N '' -f ecdsa
signature "$PWD/ecdsa" | slot 1
pack
