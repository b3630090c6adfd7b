# The name of a systemd unit climbs.
. "${0%/*}/../lib.sh"

misstate '"modules"' '"unit": [{"name": "../evil.service", "item": "empty"}], "modules"'
