# The slots are filled with NULs instead of newlines.
. "${0%/*}/../lib.sh"

unpack
head -c 4096 /dev/zero >m/SIGNATURES
pack
