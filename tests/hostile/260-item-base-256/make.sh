# The size of an item is right, but written in base 256.
. "${0%/*}/../lib.sh"

cp "$good" "$out"
printf '\200\0\0\0\0\0\0\0\0\100\0\005' | header driver/NVIDIA-Linux-x86_64-535.run 124
see ' 4194309 .* driver/NVIDIA-Linux-x86_64-535.run$'
