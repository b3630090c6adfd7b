# A revoked key has signed the policy for the node, and a new signer for the policy.
. "${0%/*}/../lib.sh"

unpack
document 2 alice revoked reporter | endorse revoked reporter | bring
