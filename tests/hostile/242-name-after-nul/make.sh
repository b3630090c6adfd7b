# A name has more behind its end, which readers that do not stop there see.
. "${0%/*}/../lib.sh"

cp "$good" "$out"
printf '/../../evil' | header conf/vgpu.conf 60
see ' conf/vgpu.conf$'
