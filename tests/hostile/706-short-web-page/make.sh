# The bundle is what a web server says about its absence.
. "${0%/*}/../lib.sh"

echo '<!DOCTYPE html><title>404 Not Found</title>' >"$out"
