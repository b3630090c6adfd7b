# What is asked of the host has a field that nobody knows.
. "${0%/*}/../lib.sh"

misstate '"modules"' '"run": [], "modules"'
