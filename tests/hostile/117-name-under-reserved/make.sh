# An item makes a folder of the member with the signatures.
. "${0%/*}/../lib.sh"

misname 'SIGNATURES/1' 'SIGNATURES/1'
see ' SIGNATURES/1$'
