# The item with the policies has other text.
. "${0%/*}/../lib.sh"

unpack
echo 'some text' | bring
