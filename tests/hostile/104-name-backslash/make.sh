# An item climbs on systems that take a backslash for a slash.
. "${0%/*}/../lib.sh"

misname '..\\evil' '..\evil'
see 'evil'
