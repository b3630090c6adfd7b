# The first line of the policy has control characters for the terminal.
. "${0%/*}/../lib.sh"

unpack
printf 'version = 2\033[2J\n' | bring
