# The first header is not canonical either: the signatures are world-writable.
. "${0%/*}/../lib.sh"

cp "$good" "$out"
printf '0000666' | header SIGNATURES 100
see '^-rw-rw-rw- .* SIGNATURES$'
