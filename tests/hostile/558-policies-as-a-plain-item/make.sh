# The first item has the name of the policies, but is of no kind.
. "${0%/*}/../lib.sh"

unpack
document 2 alice bob | endorse alice >m/policies
add policies
finish
