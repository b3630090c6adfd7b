# The members are of another date than the manifest.
. "${0%/*}/../lib.sh"

misstate '"created": 1700000000' '"created": 1700000001'
