# The name of an item is longer than a header holds.
. "${0%/*}/../lib.sh"

long=a123456789b123456789c123456789d123456789e123456789f123456789g123456789h123456789i123456789j123456789k
misname "$long" "$long"
