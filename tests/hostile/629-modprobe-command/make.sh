# A line for modprobe is a command that root runs.
. "${0%/*}/../lib.sh"

misstate 'blacklist nouveau' 'install nouveau /bin/sh -c id'
