# A program becomes world-writable.
. "${0%/*}/../lib.sh"

cp "$good" "$out"
printf '0000777' | header bin/tool 100
see '^-rwxrwxrwx.* bin/tool$'
