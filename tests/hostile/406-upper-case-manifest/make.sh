# The digest of the manifest is written in capitals.
. "${0%/*}/../lib.sh"

unpack
awk 'NR == 1 { $0 = toupper(substr($0, 1, 64)) substr($0, 65) } { print }' m/SHA256SUMS | misroot
