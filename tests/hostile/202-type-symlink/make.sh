# A member is a symbolic link to a file of the host.
. "${0%/*}/../lib.sh"

cp "$good" "$out"
printf '../../../etc/shadow' | header empty 157
printf '2' | header empty 156
see '^l.* empty -> \.\./\.\./\.\./etc/shadow$'
