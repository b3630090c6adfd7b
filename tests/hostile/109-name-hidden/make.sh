# An item is a hidden file.
. "${0%/*}/../lib.sh"

misname '.bashrc' '.bashrc'
see ' \.bashrc$'
