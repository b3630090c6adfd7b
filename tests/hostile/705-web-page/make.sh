# The bundle is what a web server says about its absence, in length.
. "${0%/*}/../lib.sh"

{
    echo '<!DOCTYPE html><title>404 Not Found</title>'
    yes '<p>The requested file was not found on this server.</p>' | head -n 500
} >"$out"
