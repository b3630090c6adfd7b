# The checksum of a header is right, but written with blanks.
. "${0%/*}/../lib.sh"

cp "$good" "$out"
start=$(at conf/vgpu.conf)
dd if="$out" bs=1 skip=$((start + 149)) count=5 status=none >digits
{ printf ' ' && cat digits && printf ' \0'; } | poke $((start + 148))
see ' conf/vgpu.conf$'
