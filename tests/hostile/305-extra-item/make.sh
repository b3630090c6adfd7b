# A last item is there that nobody signed.
. "${0%/*}/../lib.sh"

unpack
echo evil >m/extra
echo extra >>names
pack
see ' extra$'
