# A script follows the archive.
. "${0%/*}/../lib.sh"

cat "$good" - >"$out" <<'SCRIPT'
#!/bin/sh
echo evil
SCRIPT
