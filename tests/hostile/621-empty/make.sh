# The manifest is empty, and is signed.
. "${0%/*}/../lib.sh"

unpack
: >m/MANIFEST.json
finish
