# An item is the folder in which another lies. All is correctly signed.
. "${0%/*}/../lib.sh"

misname 'bin' 'bin'
see ' bin$'
