# The bundle was made at a time that a header cannot say.
. "${0%/*}/../lib.sh"

misstate '"created": 1700000000' '"created": 8589934592'
