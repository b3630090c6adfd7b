# A member with good policies is inserted that nobody who signed the bundle knows of.
. "${0%/*}/../lib.sh"

unpack
document 2 alice bob | endorse alice >m/policies
sums
sign
sed '3a\policies' names >more
mv more names
pack
