# The bundle has an unsigned item at its end.
. "${0%/*}/../lib.sh"

unpack
echo evil >m/extra
echo extra >>names
pack
see ' extra$'
