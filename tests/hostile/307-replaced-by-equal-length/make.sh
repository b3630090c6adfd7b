# An unsigned member replaces one of the same length.
. "${0%/*}/../lib.sh"

unpack
mv m/conf/vgpu.conf m/conf/evil.conf
sed 's|^conf/vgpu.conf$|conf/evil.conf|' names >renamed
mv renamed names
pack
see ' conf/evil.conf$'
