# An item was changed and everything signed again, with another key that has the same comment.
. "${0%/*}/../lib.sh"

unpack
old=$(sha256sum <m/conf/vgpu.conf | cut -c 1-64)
printf 'profile = nvidia-99\n' >m/conf/vgpu.conf
replace "$old" "$(sha256sum <m/conf/vgpu.conf | cut -c 1-64)"
ssh-keygen -q -t ed25519 -N '' -C alice -f stranger
key=$PWD/stranger
finish
