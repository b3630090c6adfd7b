# The name of an item ends in a slash, which makes tar take it for a folder.
. "${0%/*}/../lib.sh"

misname 'conf/evil/' 'conf/evil/'
see '^d.* conf/evil/$'
