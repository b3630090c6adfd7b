# The bundle is a FIFO, for which one would wait for ever.
. "${0%/*}/../lib.sh"

mkfifo "$out"
