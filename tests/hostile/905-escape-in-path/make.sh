# The path on the host clears the terminal.
. "${0%/*}/../lib.sh"

misstate '/etc/vgpu/vgpu.conf' '/etc/vgpu/\u001b[2J'
