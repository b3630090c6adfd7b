# Nothing is wrong: the payload of every item is left to another bundle, also that of the empty one.
. "${0%/*}/../lib.sh"

unpack
for name in $(sed 1,3d names); do
    leave_out "$name"
done
finish
