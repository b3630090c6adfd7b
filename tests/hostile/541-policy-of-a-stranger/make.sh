# A policy is signed by its own signer only, so that it would take over the node.
. "${0%/*}/../lib.sh"

unpack
ssh-keygen -q -t ed25519 -N '' -C mallory -f mallory
keys=$PWD
cp "${key%/*}/revoked.pub" .
document 2 mallory | endorse mallory | bring
