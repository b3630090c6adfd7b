# The trusted key has signed the manifest instead of the list.
. "${0%/*}/../lib.sh"

unpack
message=m/MANIFEST.json
sign
pack
