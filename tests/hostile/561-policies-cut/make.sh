# The bundle ends within the policies.
. "${0%/*}/../lib.sh"

unpack
document 2 alice bob | endorse alice >chain
bring <chain
truncate -s $(($(at policies) + 700)) "$out"
