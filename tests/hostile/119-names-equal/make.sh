# Two items have the same name, and all is correctly signed.
. "${0%/*}/../lib.sh"

misname 'conf/vgpu.conf' 'conf/vgpu.conf'
[ "$(tar -tf "$out" | grep -cx conf/vgpu.conf)" = 2 ]
