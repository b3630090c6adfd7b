# A program gets the set-gid bit.
. "${0%/*}/../lib.sh"

cp "$good" "$out"
printf '0002755' | header bin/tool 100
see '^-rwxr-sr-x.* bin/tool$'
