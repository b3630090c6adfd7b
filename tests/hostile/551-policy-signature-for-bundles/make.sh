# The signature of the policy was made for bundles.
. "${0%/*}/../lib.sh"

unpack
document 2 alice bob >document
{ cat document && message=document signature "$keys/alice"; } >chain
bring <chain
