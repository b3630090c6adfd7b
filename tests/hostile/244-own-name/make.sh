# The member with the signatures has another name.
. "${0%/*}/../lib.sh"

cp "$good" "$out"
printf 'Signatures' | header SIGNATURES 0
see ' Signatures$'
