# The policy belongs to the hosts of other signers; it is their version 2, well signed.
. "${0%/*}/../lib.sh"

unpack
document 2 reporter alice-2 | endorse reporter | bring
