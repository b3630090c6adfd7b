# The signature says to be of another type than its key.
. "${0%/*}/../lib.sh"

unpack
signature | binary >blob
length=$(wc -c <blob)
{ head -c $((length - 69)) blob && printf 8 && tail -c 68 blob; } | armor | slot 1
pack
