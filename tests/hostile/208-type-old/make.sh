# A member is of the type that a regular file had before POSIX.
. "${0%/*}/../lib.sh"

cp "$good" "$out"
printf '\000' | header empty 156
see ' empty$'
