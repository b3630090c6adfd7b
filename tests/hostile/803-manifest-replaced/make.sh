# The manifest is another one; list and signature are as they were.
. "${0%/*}/../lib.sh"

unpack
replace 'blacklist nouveau' 'blacklist nvidiaa'
pack
