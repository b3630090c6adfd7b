# A kernel module is named by a path.
. "${0%/*}/../lib.sh"

misstate '"vfio"' '"../../tmp/evil"'
