# The manifest begins with a byte order mark.
. "${0%/*}/../lib.sh"

unpack
{ printf '\357\273\277' && cat m/MANIFEST.json; } >marked
mv marked m/MANIFEST.json
finish
