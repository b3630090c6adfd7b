# A member with good policies, which the signed list does not have, is inserted.
. "${0%/*}/../lib.sh"

unpack
document 2 alice bob | endorse alice >m/policies
sums
sign
sed '3a\policies' names >more
mv more names
pack
