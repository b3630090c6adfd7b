# A second document follows the manifest.
. "${0%/*}/../lib.sh"

unpack
echo '{"format": 1}' >>m/MANIFEST.json
finish
