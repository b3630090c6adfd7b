# A trusted key has signed the bundle that may sign reports only.
. "${0%/*}/../lib.sh"

unpack
newlines 4096 >m/SIGNATURES
signature "$keys/reporter" | slot 1
pack
