# NULs follow the manifest, so that programs that stop there read the same.
. "${0%/*}/../lib.sh"

unpack
printf '\0\0\0' >>m/MANIFEST.json
finish
