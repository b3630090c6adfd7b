# The name of an item climbs once somebody has decoded it.
. "${0%/*}/../lib.sh"

misname '%2e%2e/evil' '%2e%2e/evil'
see ' %2e%2e/evil$'
