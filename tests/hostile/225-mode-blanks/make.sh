# The mode is right, but written as old tars do.
. "${0%/*}/../lib.sh"

cp "$good" "$out"
printf '   755 ' | header bin/tool 100
see '^-rwxr-xr-x.* bin/tool$'
