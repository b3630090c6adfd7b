# The manifest is an array of the right values instead of an object.
. "${0%/*}/../lib.sh"

unpack
echo '[1,"0.1.0"]' >m/MANIFEST.json
finish
