# The item with the policies has another name, so that a reader would overlook it.
. "${0%/*}/../lib.sh"

unpack
document 2 alice bob | endorse alice >m/Policies
add Policies ',"kind":{"policies":{}}'
finish
