# A small item has a list of chunks, so that it would have two identities.
. "${0%/*}/../lib.sh"

misstate '"size": 20' '"size": 20, "chunks": ["0000000000000000000000000000000000000000000000000000000000000000"]'
