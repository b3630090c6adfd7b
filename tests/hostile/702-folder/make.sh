# The bundle is a folder.
. "${0%/*}/../lib.sh"

mkdir "$out"
