# A kernel word ends the quotes around it.
. "${0%/*}/../lib.sh"

misstate '"quiet"' '"quiet\" init=/bin/sh \""'
