# The name of an item is an option of tar.
. "${0%/*}/../lib.sh"

misname '--checkpoint-action=exec=id' '--checkpoint-action=exec=id'
see ' --checkpoint-action=exec=id$'
