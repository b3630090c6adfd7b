# The signature is the trusted key's, but of another bundle.
. "${0%/*}/../lib.sh"

unpack
echo other >m/conf/vgpu.conf
(cd m && sha256sum $(sed 1,2d ../names)) >other
message=other signature >signature
slot 1 <signature
tar -xf "$good" -C m conf/vgpu.conf
pack
