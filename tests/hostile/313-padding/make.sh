# Bytes are hidden behind the content of an item.
. "${0%/*}/../lib.sh"

cp "$good" "$out"
start=$(at conf/vgpu.conf)
printf evil | poke $((start + 512 + 20))
