# A member is the label of a GNU volume.
. "${0%/*}/../lib.sh"

cp "$good" "$out"
printf 'V' | header empty 156
see '^V.* empty--Volume Header--$'
