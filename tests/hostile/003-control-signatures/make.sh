# Nothing is wrong: a second principal has signed, in the last slot, and a stranger in another.
. "${0%/*}/../lib.sh"

unpack
sums
sign
signature "$keys/bob" | slot 8
ssh-keygen -q -t ed25519 -N '' -f stranger
signature "$PWD/stranger" | slot 4
pack
