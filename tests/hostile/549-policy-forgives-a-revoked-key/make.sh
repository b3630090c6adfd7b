# A policy with enough signatures no longer revokes a key.
. "${0%/*}/../lib.sh"

unpack
forgiving=yes document 2 alice revoked | endorse alice | bring
