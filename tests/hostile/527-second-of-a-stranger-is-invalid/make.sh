# The first signature is good; a stranger's second one is not, so somebody has tampered.
. "${0%/*}/../lib.sh"

unpack
ssh-keygen -q -t ed25519 -N '' -f stranger
message=m/MANIFEST.json signature "$PWD/stranger" | slot 2
pack
