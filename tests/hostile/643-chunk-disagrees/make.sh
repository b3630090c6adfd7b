# The digest of the second chunk is that of other bytes; the digest of the whole is right.
. "${0%/*}/../lib.sh"

unpack
last=$(tail -c 5 m/driver/NVIDIA-Linux-x86_64-535.run | sha256sum | cut -c 1-64)
replace "$last" "$(echo other | sha256sum | cut -c 1-64)"
finish
