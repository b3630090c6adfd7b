# The first signature is valid; the second one, of an unknown key, is not: evidence of tampering.
. "${0%/*}/../lib.sh"

unpack
ssh-keygen -q -t ed25519 -N '' -f stranger
message=m/MANIFEST.json signature "$PWD/stranger" | slot 2
pack
