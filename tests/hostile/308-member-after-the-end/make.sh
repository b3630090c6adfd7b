# A second archive follows the first: `tar -i` goes on reading.
. "${0%/*}/../lib.sh"

mkdir etc
echo evil >etc/evil
tar --format=ustar -b1 -cf second etc/evil
cat "$good" second >"$out"
tar -itf "$out" | grep -qx etc/evil
