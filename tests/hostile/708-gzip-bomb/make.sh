# The bundle is a few KiB that unpack to gigabytes. Nothing unpacks them.
. "${0%/*}/../lib.sh"

head -c 1000000 /dev/zero | gzip -9 >megabyte
for i in 1 2 3; do cat megabyte; done >"$out"
