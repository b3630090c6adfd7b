# The name of a drop-in climbs.
. "${0%/*}/../lib.sh"

misstate '"modules"' '"drop-in": [{"unit": "a.service", "name": "../evil.conf", "item": "empty"}], "modules"'
