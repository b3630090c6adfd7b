# The name of an item clears the terminal and writes over what stood there.
. "${0%/*}/../lib.sh"

escape=$(printf '\033')
misname '\u001b[2J\u001b[Htrusted' "${escape}[2J${escape}[Htrusted"
see '033.*trusted$'
