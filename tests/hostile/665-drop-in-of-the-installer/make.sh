# A drop-in is to have the name of one of the installer's own.
. "${0%/*}/../lib.sh"

misstate '"modules"' '"drop-in": [{"unit": "nvidia-vgpud.service", "name": "vgpu-offline.conf", "item": "empty"}], "modules"'
