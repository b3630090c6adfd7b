# The channel, which names a floor on the host, climbs.
. "${0%/*}/../lib.sh"

misstate '"channel": "stable"' '"channel": "../stable"'
