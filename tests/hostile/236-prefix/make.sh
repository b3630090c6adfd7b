# A member has a prefix, which readers put before its name.
. "${0%/*}/../lib.sh"

cp "$good" "$out"
printf '../../etc' | header conf/vgpu.conf 345
see ' \.\./\.\./etc/conf/vgpu.conf$'
