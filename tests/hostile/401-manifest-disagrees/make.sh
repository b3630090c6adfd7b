# The manifest and the list give an item different digests, and both are signed.
. "${0%/*}/../lib.sh"

unpack
digest=$(sha256sum <m/conf/vgpu.conf | cut -c 1-64)
other=$(sha256sum <m/conf/profiles.conf | cut -c 1-64)
replace "$digest" "$other"
sums
sign
pack
(cd m && sha256sum --quiet -c --strict SHA256SUMS)
