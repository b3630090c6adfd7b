# An item lies on another drive, or in another stream of a file.
. "${0%/*}/../lib.sh"

misname 'C:evil' 'C:evil'
see ' C:evil$'
