# A channel was added to the policy after it was signed.
. "${0%/*}/../lib.sh"

unpack
document 2 alice bob | endorse alice | sed 's/"stable"/"edge", "stable"/' >chain
bring <chain
