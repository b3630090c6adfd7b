# The name of an item leaves the folder once it is decoded.
. "${0%/*}/../lib.sh"

misname '%2e%2e/evil' '%2e%2e/evil'
see ' %2e%2e/evil$'
