# The name of an item has a line break, to forge a line of SHA256SUMS.
. "${0%/*}/../lib.sh"

misname 'conf/evil\nempty' 'conf/evil
empty'
see 'conf/evil\\nempty$'
