# The node requires two signers for a policy, and one has signed.
. "${0%/*}/../lib.sh"

unpack
document 2 alice bob | endorse alice >chain
bring <chain
signature "$keys/bob" | slot 2
pack
