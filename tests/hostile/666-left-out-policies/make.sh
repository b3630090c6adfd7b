# The signed policies are left out: a host would have to trust the bundle to find them.
. "${0%/*}/../lib.sh"

unpack
document 2 alice bob | endorse alice >m/policies
add policies ',"kind":{"policies":{}}'
replace '"name":"policies",' '"name": "policies",'
leave_out policies
finish
