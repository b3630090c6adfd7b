# The bundle is a link to something that is not there.
. "${0%/*}/../lib.sh"

ln -s nowhere "$out"
