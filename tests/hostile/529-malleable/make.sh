# The order of the curve is added to the second half of a good signature: the same equation.
. "${0%/*}/../lib.sh"

unpack
signature | binary >blob
sum=$(tail -c 32 blob | od -An -v -tu1 | awk '
    BEGIN { split("237 211 245 92 26 99 18 88 214 156 247 162 222 249 222 20", order, " "); order[32] = 16 }
    { for (i = 1; i <= NF; i++) byte[++n] = $i }
    END {
        for (i = 1; i <= 32; i++) {
            carry += byte[i] + order[i]
            printf "\\%03o", carry % 256
            carry = int(carry / 256)
        }
    }')
{ head -c -32 blob && printf "$sum"; } | armor | slot 1
pack
