# The slot is padded with NULs.
. "${0%/*}/../lib.sh"

unpack
{ signature && head -c 512 /dev/zero; } | head -c 512 | slot 1
pack
