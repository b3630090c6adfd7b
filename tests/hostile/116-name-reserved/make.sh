# On a medium that ignores case, an item takes the place of the manifest.
. "${0%/*}/../lib.sh"

misname 'manifest.JSON' 'manifest.JSON'
see ' manifest.JSON$'
