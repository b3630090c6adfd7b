# The type of the key that signed clears the terminal.
. "${0%/*}/../lib.sh"

unpack
signature | binary >blob
{ head -c 18 blob && printf '\033[2Jevil\033[m' && tail -c +30 blob; } | armor | slot 1
pack
