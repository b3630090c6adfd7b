# A header has another checksum than its bytes: some readers skip such a member.
. "${0%/*}/../lib.sh"

cp "$good" "$out"
start=$(at conf/vgpu.conf)
printf '000000\0 ' | poke $((start + 148))
see 'Skipping to next header'
