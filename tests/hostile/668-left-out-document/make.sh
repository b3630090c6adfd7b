# The signed release of an archive is left out.
. "${0%/*}/../lib.sh"

unpack
echo release >m/InRelease
add InRelease
by=0123456789ABCDEF0123456789ABCDEF01234567
replace '"items": [' "\"archives\": [{\"name\":\"debian\",\"codename\":\"bookworm\",\"release\":\"InRelease\",\"signed-by\":\"$by\",\"dated\":1}], \"items\": ["
replace '"name":"InRelease",' '"name": "InRelease",'
leave_out InRelease
finish
