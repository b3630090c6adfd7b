# The name of an item is shown from right to left: `nur.fdp` for `pdf.run`.
. "${0%/*}/../lib.sh"

misname '\u202enur.fdp' "$(printf '\342\200\256')nur.fdp"
see '342.*nur\.fdp$'
