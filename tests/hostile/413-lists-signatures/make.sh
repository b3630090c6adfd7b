# The signed list has the signatures too, which no signature could cover.
. "${0%/*}/../lib.sh"

unpack
{ cat m/SHA256SUMS && (cd m && sha256sum SIGNATURES); } | misroot
