# The name of an item has an empty part, a second spelling of the same file.
. "${0%/*}/../lib.sh"

misname 'conf//evil' 'conf//evil'
see ' conf//evil$'
