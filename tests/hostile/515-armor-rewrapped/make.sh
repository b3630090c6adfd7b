# The armor has 64 columns, as PEM. ssh-keygen takes it.
. "${0%/*}/../lib.sh"

unpack
signature | binary | armor 64 >again
slot 1 <again
pack
