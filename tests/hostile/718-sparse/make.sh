# The bundle is a TiB of nothing.
. "${0%/*}/../lib.sh"

truncate -s 1T "$out"
