# An item says to be 8 GiB, one byte more than a header can say.
. "${0%/*}/../lib.sh"

misstate '"size": 20' '"size": 8589934592'
