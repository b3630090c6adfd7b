# The bundle ends after the manifest.
. "${0%/*}/../lib.sh"

cp "$good" "$out"
truncate -s "$(at conf/vgpu.conf)" "$out"
