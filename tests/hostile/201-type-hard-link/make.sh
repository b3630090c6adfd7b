# A member is a hard link to a file of the host.
. "${0%/*}/../lib.sh"

cp "$good" "$out"
printf '../../../etc/shadow' | header empty 157
printf '1' | header empty 156
see '^h.* empty link to .*etc/shadow$'
