# An RSA key has signed. Its signature does not even fit: it runs over into the next slots.
. "${0%/*}/../lib.sh"

unpack
ssh-keygen -q -t rsa -b 2048 -N '' -f rsa
signature "$PWD/rsa" | dd of=m/SIGNATURES conv=notrunc status=none
pack
