# An unknown field has two million brackets, to make a parser run out of stack.
. "${0%/*}/../lib.sh"

unpack
{
    printf '{"format":1,"needs":"0.1.0","x":'
    head -c 1000000 /dev/zero | tr '\0' '['
    head -c 1000000 /dev/zero | tr '\0' ']'
    echo '}'
} >m/MANIFEST.json
finish
