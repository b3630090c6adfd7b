# Nothing is wrong: two signed policies are the first item of the bundle.
. "${0%/*}/../lib.sh"

unpack
{
    document 2 alice bob | endorse alice
    document 3 bob alice | endorse bob
} >chain
bring <chain
