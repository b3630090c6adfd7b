# A regular file has the name of something that it links to.
. "${0%/*}/../lib.sh"

cp "$good" "$out"
printf '/etc/shadow' | header conf/vgpu.conf 157
see ' conf/vgpu.conf$'
