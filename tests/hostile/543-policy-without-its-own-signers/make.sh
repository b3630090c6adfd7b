# The signer of the node has signed a policy that trusts another key, whose holder has not signed.
. "${0%/*}/../lib.sh"

unpack
document 2 bob | endorse alice | bring
