# A byte is hidden behind the manifest.
. "${0%/*}/../lib.sh"

cp "$good" "$out"
start=$(at conf/vgpu.conf)
printf '}' | poke $((start - 1))
