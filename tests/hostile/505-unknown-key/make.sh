# A stranger has signed.
. "${0%/*}/../lib.sh"

unpack
ssh-keygen -q -t ed25519 -N '' -C alice -f stranger
newlines 4096 >m/SIGNATURES
signature "$PWD/stranger" | slot 1
pack
