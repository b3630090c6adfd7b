# Bytes are hidden in the second of the blocks that end the archive.
. "${0%/*}/../lib.sh"

cp "$good" "$out"
printf evil | poke $(($(wc -c <"$good") - 512))
