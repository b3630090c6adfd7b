# An item without content is not there.
. "${0%/*}/../lib.sh"

unpack
sed '/^empty$/d' names >fewer
mv fewer names
pack
