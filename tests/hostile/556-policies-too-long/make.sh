# The item with the policies has more bytes than are read before the signatures are verified.
. "${0%/*}/../lib.sh"

unpack
{ document 2 alice bob | endorse alice && newlines 1048577; } >chain
bring <chain
