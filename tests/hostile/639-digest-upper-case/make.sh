# A digest in the manifest is written in capitals.
. "${0%/*}/../lib.sh"

misstate '"sha256": "e3b0c44' '"sha256": "E3B0C44'
