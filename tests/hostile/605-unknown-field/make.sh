# The manifest has a field that nobody knows.
. "${0%/*}/../lib.sh"

misstate '"name": "sample"' '"name": "sample", "run-as-root": "id"'
