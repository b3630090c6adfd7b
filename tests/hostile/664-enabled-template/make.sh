# A template of a unit is to be enabled.
. "${0%/*}/../lib.sh"

misstate '"modules"' '"unit": [{"name": "a@.service", "item": "empty", "wanted-by": "multi-user.target"}], "modules"'
