# A slot has an armor with nothing in it.
. "${0%/*}/../lib.sh"

unpack
printf '' | armor | slot 1
pack
