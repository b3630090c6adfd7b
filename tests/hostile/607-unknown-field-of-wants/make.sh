# The requested host configuration has an unknown field.
. "${0%/*}/../lib.sh"

misstate '"modules"' '"run": [], "modules"'
