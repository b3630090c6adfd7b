# The manifest has an unknown field.
. "${0%/*}/../lib.sh"

misstate '"name": "sample"' '"name": "sample", "run-as-root": "id"'
