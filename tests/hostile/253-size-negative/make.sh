# The size of the manifest is negative.
. "${0%/*}/../lib.sh"

cp "$good" "$out"
printf '\377\377\377\377\377\377\377\377\377\377\376\0' | header MANIFEST.json 124
