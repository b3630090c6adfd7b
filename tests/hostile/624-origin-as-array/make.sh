# The origin of an item is an array of the right values instead of an object with names.
. "${0%/*}/../lib.sh"

unpack
flatten
replace '"origin":{"kind":"file"}' '"origin":["file"]'
finish
