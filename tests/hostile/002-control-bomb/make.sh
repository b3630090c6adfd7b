# Nothing is wrong: an item that would unpack to 256 MiB of zeros is bytes like any other.
. "${0%/*}/../lib.sh"

unpack
head -c 268435456 /dev/zero | gzip -9 >m/bomb.gz
add bomb.gz
finish
