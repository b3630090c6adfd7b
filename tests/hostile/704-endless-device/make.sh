# The bundle is a link to a device that never ends.
. "${0%/*}/../lib.sh"

ln -s /dev/zero "$out"
