# The signed list has the marks of `sha256sum --binary`.
. "${0%/*}/../lib.sh"

unpack
sed 's/  / */' m/SHA256SUMS | misroot
