# Nothing is wrong: the policy in the bundle is as old as that of the node, and skipped.
. "${0%/*}/../lib.sh"

unpack
document 1 reporter | endorse reporter | bring
