# The base of an item is null, so that readers may disagree whether it is left out.
. "${0%/*}/../lib.sh"

misstate '"size": 20' '"base": null, "size": 20'
