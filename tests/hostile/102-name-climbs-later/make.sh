# An item begins inside of the folder and climbs out.
. "${0%/*}/../lib.sh"

misname 'conf/../../evil' 'conf/../../evil'
see ' conf/\.\./\.\./evil$'
