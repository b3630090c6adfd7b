# The folders are members too. An empty item of the signed list makes room for one.
. "${0%/*}/../lib.sh"

unpack
sed 's|^empty$||; s|^conf/vgpu.conf$|conf\nconf/vgpu.conf|' names | sed '/^$/d' >more
mv more names
pack
see '^d.* conf/$'
