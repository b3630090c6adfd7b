# The manifest is correctly signed, and filled up with blanks to more than 4 MiB.
. "${0%/*}/../lib.sh"

unpack
head -c 4194304 /dev/zero | tr '\0' ' ' >>m/MANIFEST.json
finish
