# The item with the policies is not the first one, so that a reader would overlook it.
. "${0%/*}/../lib.sh"

unpack
document 2 alice bob | endorse alice >m/policies
add policies ',"kind":{"policies":{}}'
echo note >m/note
add note
finish
