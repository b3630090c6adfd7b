# The policies are replaced after signing, by equally long ones that are good themselves.
. "${0%/*}/../lib.sh"

unpack
document 2 alice bob | endorse alice >other
document 2 bob alice | endorse alice >chain
[ "$(wc -c <other)" = "$(wc -c <chain)" ] || fail "the two differ in length"
bring <chain
poke $(($(at policies) + 512)) <other
