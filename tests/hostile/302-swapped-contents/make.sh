# Two items of the same length have each other's content.
. "${0%/*}/../lib.sh"

unpack
mv m/conf/vgpu.conf other
mv m/conf/profiles.conf m/conf/vgpu.conf
mv other m/conf/profiles.conf
pack
