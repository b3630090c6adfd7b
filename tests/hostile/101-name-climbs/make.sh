# An item lies outside of the folder into which one unpacks.
. "${0%/*}/../lib.sh"

misname '../evil' '../evil'
see ' \.\./evil$'
