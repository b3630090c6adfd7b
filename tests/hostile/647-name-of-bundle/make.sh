# The name of the bundle, which names files, climbs.
. "${0%/*}/../lib.sh"

misstate '"name": "sample"' '"name": "../sample"'
